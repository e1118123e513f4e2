#include "instructblip/engine.h"

#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "api/backend.h"
#include "api/replicated_engine.h"

namespace instructblip {
namespace {

template <typename Value>
using Done = Engine::Impl::Done<Value>;

// A future of what `start` is given something to call back for; `make` makes it of the outcome.
template <typename Result, typename Value, typename Make, typename Start>
std::future<Result> future_of(const Make& make, const Start& start) {
  auto promise = std::make_shared<std::promise<Result>>();
  std::future<Result> future = promise->get_future();
  start([promise, make](Outcome<Value> outcome, const std::exception_ptr& thrown) {
    if (thrown) {
      promise->set_exception(thrown);
    } else {
      make(*promise, std::move(outcome));
    }
  });
  return future;
}

// Sets the value or throws the error.
template <typename Value>
void set(std::promise<Value>& promise, Outcome<Value> outcome) {
  if (outcome.error) {
    promise.set_exception(std::make_exception_ptr(*outcome.error));
  } else {
    promise.set_value(std::move(*outcome.value));
  }
}

// What is called back gets an error for what a TokenCallback threw, and may throw nothing itself.
template <typename Value, typename Call>
Done<Value> calling(Call call) {
  return [call = std::move(call)](Outcome<Value> outcome, const std::exception_ptr& thrown) {
    if (thrown) outcome = {{}, Error(ErrorCode::cancelled, "the request's callback threw")};
    try {
      call(std::move(outcome));
    } catch (...) {  // dropped, as the header says
    }
  };
}

Response to_response(Outcome<Generation> outcome) {
  return {std::move(outcome.value), std::move(outcome.error)};
}

// Replicas are of one model: what answers are made of is equal. (Where they run is not.)
void check_replica(const ModelInfo& first, const ModelInfo& other, std::size_t number) {
  const auto facts = [](const ModelInfo& info) {
    return std::tuple(info.family, info.language_model, info.parameters, info.vocabulary,
                      info.precision, info.policy, info.quantised, info.rounds_rows, info.numerics,
                      info.compat, info.resize);
  };
  if (facts(first) == facts(other)) return;
  const auto told = [](const ModelInfo& info) {
    return info.family + " of " + std::to_string(info.parameters) + " parameters in " +
           info.precision + (info.rounds_rows ? ", whose products round rows" : "");
  };
  throw Error(ErrorCode::invalid_argument,
              "engine: replica " + std::to_string(number) + " is " + told(other) +
                  ", expected the model of the first, " + told(first),
              "load all of them from the same files with the same options, but for the device");
}

std::unique_ptr<Engine::Impl> start_all(std::span<const Pipeline* const> replicas,
                                        const EngineOptions& options) {
  if (replicas.empty()) {
    throw Error(ErrorCode::invalid_argument, "engine: expected a pipeline at least, got none");
  }
  std::vector<std::unique_ptr<Engine::Impl>> engines;
  for (std::size_t i = 0; i < replicas.size(); ++i) {
    check_replica(replicas.front()->info(), replicas[i]->info(), i + 1);
  }
  for (const Pipeline* replica : replicas) engines.push_back(replica->impl().start_engine(options));
  return replicate(std::move(engines));
}

}  // namespace

Engine::Engine(const Pipeline& pipeline, const EngineOptions& options)
    : impl_(pipeline.impl_->start_engine(options)) {}

Engine::Engine(std::span<const Pipeline* const> replicas, const EngineOptions& options)
    : impl_(start_all(replicas, options)) {}

Engine::~Engine() {
  if (!impl_->process.is_this())
    static_cast<void>(impl_.release());  // its thread would be waited for
}

Engine::Impl& Engine::impl() const {
  impl_->process.require();
  return *impl_;
}

std::future<Response> Engine::submit(const Request& request, const Control& control) {
  const auto make = [](std::promise<Response>& promise, Outcome<Generation> outcome) {
    promise.set_value(to_response(std::move(outcome)));
  };
  return future_of<Response, Generation>(
      make, [&](Done<Generation> done) { impl().submit(request, control, std::move(done)); });
}

void Engine::submit(const Request& request, const Control& control, OnResponse on_response) {
  const auto call = [on_response = std::move(on_response)](Outcome<Generation> outcome) {
    on_response(to_response(std::move(outcome)));
  };
  impl().submit(request, control, calling<Generation>(call));
}

std::future<Engine::Ranked> Engine::rank(const Request& request,
                                         std::span<const std::string> candidates,
                                         const RankOptions& options, const Control& control) {
  return future_of<Ranked, Ranked>(set<Ranked>, [&](Done<Ranked> done) {
    impl().rank(request, candidates, options, control, std::move(done));
  });
}

void Engine::rank(const Request& request, std::span<const std::string> candidates,
                  const RankOptions& options, const Control& control, OnRanked on_ranked) {
  impl().rank(request, candidates, options, control, calling<Ranked>(std::move(on_ranked)));
}

std::future<ImageFeatures> Engine::encode(const Pictures& pictures) {
  return future_of<ImageFeatures, ImageFeatures>(set<ImageFeatures>, [&](Done<ImageFeatures> done) {
    impl().encode(pictures, std::move(done));
  });
}

void Engine::encode(const Pictures& pictures, OnEncoded on_encoded) {
  impl().encode(pictures, calling<ImageFeatures>(std::move(on_encoded)));
}

EngineStats Engine::stats() const { return impl().stats(); }

}  // namespace instructblip
