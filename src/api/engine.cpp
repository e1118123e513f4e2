#include "instructblip/engine.h"

#include <utility>

#include "api/backend.h"

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

}  // namespace

Engine::Engine(const Pipeline& pipeline, const EngineOptions& options)
    : impl_(pipeline.impl_->start_engine(options)) {}

Engine::~Engine() = default;

std::future<Response> Engine::submit(const Request& request, const Control& control) {
  const auto make = [](std::promise<Response>& promise, Outcome<Generation> outcome) {
    promise.set_value(to_response(std::move(outcome)));
  };
  return future_of<Response, Generation>(
      make, [&](Done<Generation> done) { impl_->submit(request, control, std::move(done)); });
}

void Engine::submit(const Request& request, const Control& control, OnResponse on_response) {
  const auto call = [on_response = std::move(on_response)](Outcome<Generation> outcome) {
    on_response(to_response(std::move(outcome)));
  };
  impl_->submit(request, control, calling<Generation>(call));
}

std::future<Engine::Ranked> Engine::rank(const Request& request,
                                         std::span<const std::string> candidates,
                                         const RankOptions& options, const Control& control) {
  return future_of<Ranked, Ranked>(set<Ranked>, [&](Done<Ranked> done) {
    impl_->rank(request, candidates, options, control, std::move(done));
  });
}

void Engine::rank(const Request& request, std::span<const std::string> candidates,
                  const RankOptions& options, const Control& control, OnRanked on_ranked) {
  impl_->rank(request, candidates, options, control, calling<Ranked>(std::move(on_ranked)));
}

std::future<ImageFeatures> Engine::encode(const Pictures& pictures) {
  return future_of<ImageFeatures, ImageFeatures>(set<ImageFeatures>, [&](Done<ImageFeatures> done) {
    impl_->encode(pictures, std::move(done));
  });
}

void Engine::encode(const Pictures& pictures, OnEncoded on_encoded) {
  impl_->encode(pictures, calling<ImageFeatures>(std::move(on_encoded)));
}

EngineStats Engine::stats() const { return impl_->stats(); }

}  // namespace instructblip
