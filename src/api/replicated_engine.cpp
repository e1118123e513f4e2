#include "api/replicated_engine.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <iterator>
#include <utility>

#include "instructblip/error.h"

namespace instructblip {
namespace {

class ReplicatedEngine final : public Engine::Impl {
 public:
  using Ranked = Engine::Ranked;

  explicit ReplicatedEngine(std::vector<std::unique_ptr<Engine::Impl>> engines)
      : engines_(std::move(engines)) {}

  void submit(const Request& request, const Control& control, Done<Generation> done) override {
    hand_to_one([&](Engine::Impl& engine) { engine.submit(request, control, done); });
  }
  void rank(const Request& request, std::span<const std::string> candidates,
            const RankOptions& options, const Control& control, Done<Ranked> done) override {
    hand_to_one(
        [&](Engine::Impl& engine) { engine.rank(request, candidates, options, control, done); });
  }
  void encode(const Pictures& pictures, Done<ImageFeatures> done) override {
    hand_to_one([&](Engine::Impl& engine) { engine.encode(pictures, done); });
  }

  EngineStats stats() const override {
    EngineStats all;
    for (const auto& engine : engines_) {
      const EngineStats one = engine->stats();
      all.waiting += one.waiting;
      all.running += one.running;
      all.waiting_bytes += one.waiting_bytes;
      all.answered += one.answered;
      all.failed += one.failed;
      all.passes += one.passes;
      all.pass_rows += one.pass_rows;
    }
    all.refused = refused_;  // theirs count those that another has taken
    return all;
  }

 private:
  // Those with the fewest requests first; equal ones take turns.
  std::vector<Engine::Impl*> by_load() {
    struct Loaded {
      std::size_t requests;
      Engine::Impl* engine;
    };
    std::vector<Loaded> all;
    const std::size_t first = turn_++;
    for (std::size_t i = 0; i < engines_.size(); ++i) {
      Engine::Impl* const engine = engines_[(first + i) % engines_.size()].get();
      const EngineStats stats = engine->stats();
      all.push_back({stats.waiting + stats.running, engine});
    }
    std::ranges::stable_sort(all, {}, &Loaded::requests);
    std::vector<Engine::Impl*> order;
    std::ranges::transform(all, std::back_inserter(order), &Loaded::engine);
    return order;
  }

  template <class Hand>
  void hand_to_one(const Hand& hand) {
    const std::vector<Engine::Impl*> order = by_load();
    for (Engine::Impl* engine : order) {
      try {
        return hand(*engine);
      } catch (const Error& error) {
        if (error.code() != ErrorCode::busy) throw;
        if (engine == order.back()) {
          ++refused_;
          throw;
        }
      }
    }
  }

  std::vector<std::unique_ptr<Engine::Impl>> engines_;
  std::atomic<std::size_t> turn_ = 0;
  std::atomic<std::uint64_t> refused_ = 0;
};

}  // namespace

std::unique_ptr<Engine::Impl> replicate(std::vector<std::unique_ptr<Engine::Impl>> engines) {
  if (engines.size() == 1) return std::move(engines.front());
  return std::make_unique<ReplicatedEngine>(std::move(engines));
}

}  // namespace instructblip
