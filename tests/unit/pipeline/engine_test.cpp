// The engine: who is served when, and what ends a request.
#include "instructblip/engine.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/expect_error.h"
#include "unit/pipeline/toys.h"

namespace instructblip {
namespace {

using test::checkpoint;
using test::picture;
using test::tokens;
using namespace std::chrono_literals;

class EngineTest : public testing::TestWithParam<std::string> {
 protected:
  static const Pipeline& pipeline() { return test::without_cache(GetParam()); }

  static Request ask(const std::string& instruction, int length) {
    return {picture(), instruction, tokens(length)};
  }

  static std::vector<std::int32_t> alone(const Request& request) {
    return pipeline().generate(request.pictures, request.instruction, request.options).tokens();
  }
};

// A request that does not end before it is told to, and tells when it has begun.
struct Endless {
  std::promise<void> begun;
  std::atomic<bool> enough = false;
  bool told = false;

  Control control() {
    return {.on_token = [this](const TokenEvent&) {
      if (!std::exchange(told, true)) begun.set_value();
      std::this_thread::sleep_for(1ms);
      return enough ? Flow::cancel : Flow::go;
    }};
  }
};

TEST_P(EngineTest, RequestsOfManyThreadsGetTheirOwnAnswers) {
  Engine engine(pipeline());
  std::vector<Request> requests;
  for (int i = 0; i < 12; ++i) {
    requests.push_back(ask("What is number " + std::to_string(i) + "?", 3 + i));
  }
  std::vector<Response> responses(requests.size());
  std::vector<std::thread> callers;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    callers.emplace_back([&, i] { responses[i] = engine.submit(requests[i]).get(); });
  }
  for (std::thread& caller : callers) caller.join();
  for (std::size_t i = 0; i < requests.size(); ++i) {
    ASSERT_TRUE(responses[i].generation) << responses[i].error->what();
    EXPECT_EQ(responses[i].generation->tokens(), alone(requests[i])) << "request " << i;
  }
  const EngineStats stats = engine.stats();
  EXPECT_EQ(stats.answered, requests.size());
  EXPECT_EQ(stats.failed + stats.refused, 0u);
  EXPECT_GT(stats.pass_rows, stats.passes) << "requests shared passes";
}

TEST_P(EngineTest, ALaterRequestIsAnsweredBesideARunningOne) {
  Endless endless;
  Engine engine(pipeline());
  auto running = engine.submit(ask("What is this?", 4000), endless.control());
  endless.begun.get_future().wait();
  const Request later = ask("Who is this?", 5);
  const Response response = engine.submit(later).get();
  EXPECT_EQ(response.generation->tokens(), alone(later));
  EXPECT_EQ(running.wait_for(0s), std::future_status::timeout) << "the first one still runs";
  endless.enough = true;
  EXPECT_EQ(running.get().generation->finish_reason(), FinishReason::cancelled);
}

TEST_P(EngineTest, TheFirstThatWaitsIsAdmittedFirst) {
  Endless endless;
  Engine engine(pipeline(), {.max_rows = 1});
  auto running = engine.submit(ask("What is this?", 4000), endless.control());
  endless.begun.get_future().wait();
  std::vector<int> order;
  std::vector<std::future<Response>> responses;
  for (int i = 0; i < 4; ++i) {
    responses.push_back(engine.submit(ask("Who?", 2), {.on_token = [&order, i](const TokenEvent&) {
                                        order.push_back(i);
                                        return Flow::go;
                                      }}));
  }
  EXPECT_EQ(engine.stats().waiting, 4u);
  EXPECT_EQ(engine.stats().running, 1u);
  endless.enough = true;
  for (auto& response : responses) response.get();
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
  EXPECT_EQ(order.front(), 0);
  EXPECT_EQ(order.back(), 3);
}

TEST_P(EngineTest, WhatWaitsCanBeStoppedAndCanBeLate) {
  Endless endless;
  Engine engine(pipeline(), {.max_rows = 1});
  auto running = engine.submit(ask("What is this?", 4000), endless.control());
  endless.begun.get_future().wait();
  std::stop_source source;
  auto stopped = engine.submit(ask("Who?", 5), {.stop = source.get_token()});
  auto late = engine.submit(ask("Who?", 5), {.deadline = std::chrono::steady_clock::now() + 20ms});
  source.request_stop();
  const Response nothing = stopped.get();  // while the first one still runs
  EXPECT_EQ(nothing.generation->finish_reason(), FinishReason::cancelled);
  EXPECT_TRUE(nothing.generation->tokens().empty());
  EXPECT_EQ(late.get().error->code(), ErrorCode::deadline);
  EXPECT_EQ(running.wait_for(0s), std::future_status::timeout);
  endless.enough = true;
}

TEST_P(EngineTest, AFullQueueRefuses) {
  Endless endless;
  Engine engine(pipeline(), {.max_rows = 1, .max_waiting = 2});
  auto running = engine.submit(ask("What is this?", 4000), endless.control());
  endless.begun.get_future().wait();
  auto second = engine.submit(ask("Who?", 2));
  auto third = engine.submit(ask("Who?", 2));
  test::expect_error(ErrorCode::busy, "queue is full: 2", [&] { engine.submit(ask("Who?", 2)); });
  EXPECT_EQ(engine.stats().refused, 1u);
  endless.enough = true;
  EXPECT_TRUE(second.get().generation);
  EXPECT_TRUE(third.get().generation);
}

TEST_P(EngineTest, AQueueFullOfPicturesRefuses) {
  const ModelInfo& info = pipeline().info();
  const std::int64_t one = 3LL * info.image_height * info.image_width;
  Endless endless;
  Engine engine(pipeline(), {.max_rows = 1, .max_waiting_bytes = 2 * one});
  auto running = engine.submit(ask("What is this?", 4000), endless.control());
  endless.begun.get_future().wait();
  EXPECT_EQ(engine.stats().waiting_bytes, 0) << "what runs does not wait";
  std::vector<std::future<Response>> waiting;
  waiting.push_back(engine.submit(ask("Who?", 2)));
  EXPECT_THROW(engine.submit(ask("a \xFF byte", 2)), Error);
  EXPECT_EQ(engine.stats().waiting_bytes, one) << "one that failed keeps no room";
  waiting.push_back(engine.submit(ask("Who?", 2)));
  EXPECT_EQ(engine.stats().waiting_bytes, 2 * one);
  test::expect_error(ErrorCode::busy, "pictures of " + std::to_string(2 * one) + " bytes",
                     [&] { engine.submit(ask("Who?", 2)); });
  EXPECT_EQ(engine.stats().refused, 1u);
  const ImageFeatures encoded = pipeline().encode(picture());
  waiting.push_back(engine.submit({encoded, "Who?", tokens(2)}));
  endless.enough = true;
  for (auto& response : waiting) EXPECT_TRUE(response.get().generation);
  EXPECT_EQ(engine.stats().waiting_bytes, 0);
}

TEST_P(EngineTest, OneThatFailsHarmsNoOther) {
  Engine engine(pipeline());
  const Request sound = ask("What is this?", 12);
  auto first = engine.submit(sound);
  auto throwing = engine.submit(ask("Who?", 9), {.on_token = [](const TokenEvent&) -> Flow {
                                  throw std::runtime_error("enough");
                                }});
  auto second = engine.submit(sound);
  EXPECT_THROW(engine.submit({{}, "no picture", {}}), Error);
  EXPECT_THROW(engine.submit(ask("a \xFF byte", 3)), Error);
  EXPECT_THROW(throwing.get(), std::runtime_error);
  EXPECT_EQ(first.get().generation->tokens(), alone(sound));
  EXPECT_EQ(second.get().generation->tokens(), alone(sound));
}

TEST_P(EngineTest, EndingItEndsWhatRunsAndWhatWaits) {
  Endless endless;
  std::future<Response> running, waiting;
  {
    Engine engine(pipeline(), {.max_rows = 1});
    running = engine.submit(ask("What is this?", 4000), endless.control());
    endless.begun.get_future().wait();
    waiting = engine.submit(ask("Who?", 2));
  }
  EXPECT_EQ(running.get().error->code(), ErrorCode::cancelled);
  EXPECT_EQ(waiting.get().error->code(), ErrorCode::cancelled);
}

TEST_P(EngineTest, ARequestOfMoreRowsThanItHasRunsAlone) {
  Engine engine(pipeline(), {.max_rows = 2});
  Request wide = ask("What is this?", 4);
  wide.options.num_beams = 5;
  const auto narrow = ask("Who?", 4);
  auto first = engine.submit(narrow);
  auto second = engine.submit(wide);
  auto third = engine.submit(narrow);
  EXPECT_EQ(second.get().generation->tokens(), alone(wide));
  EXPECT_EQ(first.get().generation->tokens(), third.get().generation->tokens());
}

TEST_P(EngineTest, ACallbackGetsTheAnswerThatAFutureWouldGet) {
  Engine engine(pipeline());
  const Request request = ask("What is this?", 5);
  std::promise<Response> answered, refused;
  engine.submit(request, {}, [&](Response response) { answered.set_value(std::move(response)); });
  engine.submit(request, {.deadline = std::chrono::steady_clock::now() - 1s},
                [&](Response response) { refused.set_value(std::move(response)); });
  EXPECT_EQ(answered.get_future().get().generation->tokens(), alone(request));
  const Response late = refused.get_future().get();
  ASSERT_TRUE(late.error);
  EXPECT_EQ(late.error->code(), ErrorCode::deadline);
  EXPECT_EQ(engine.stats().answered, 1u);
  EXPECT_EQ(engine.stats().failed, 1u);
}

TEST_P(EngineTest, WhatCallbacksThrowHarmsNoOther) {
  Engine engine(pipeline());
  const Request request = ask("What is this?", 5);
  const Control throwing{.on_token = [](const TokenEvent&) -> Flow { throw 7; }};
  std::promise<Response> told;
  engine.submit(request, throwing, [&](Response response) {
    told.set_value(std::move(response));
    throw std::runtime_error("dropped");
  });
  auto thrown = engine.submit(request, throwing);
  EXPECT_EQ(engine.submit(request).get().generation->tokens(), alone(request));
  EXPECT_EQ(told.get_future().get().error->code(), ErrorCode::cancelled);
  EXPECT_THROW(thrown.get(), int);
}

// In two groups, which take their turn beside a request that runs.
TEST_P(EngineTest, RanksAsThePipelineDoes) {
  Engine engine(pipeline());
  std::vector<std::string> candidates;
  for (int i = 0; i < 70; ++i) candidates.push_back("a number like " + std::to_string(i));
  const Request request = ask("What is this?", 20);
  auto answer = engine.submit(request);
  auto ranked = engine.rank(request, candidates);
  std::promise<Outcome<Engine::Ranked>> told;
  engine.rank(request, std::span(candidates).first(3), {}, {},
              [&](Outcome<Engine::Ranked> outcome) { told.set_value(std::move(outcome)); });
  const auto expect_same = [&](const Engine::Ranked& got, std::size_t count) {
    const auto want =
        pipeline().rank(request.pictures, request.instruction, std::span(candidates).first(count));
    ASSERT_EQ(got.size(), want.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
      EXPECT_EQ(got[i].index, want[i].index) << i;
      EXPECT_NEAR(got[i].score, want[i].score, 1e-4) << i;
    }
  };
  expect_same(ranked.get(), 70);
  expect_same(told.get_future().get().value.value(), 3);
  EXPECT_EQ(answer.get().generation->tokens(), alone(request));
  test::expect_error(ErrorCode::invalid_argument, "65536 candidates",
                     [&] { engine.rank(request, {}); });
}

TEST_P(EngineTest, EncodesAsThePipelineDoes) {
  Engine engine(pipeline());
  const ImageFeatures features = engine.encode(picture()).get();
  std::promise<Outcome<ImageFeatures>> told;
  engine.encode(features,
                [&](Outcome<ImageFeatures> outcome) { told.set_value(std::move(outcome)); });
  EXPECT_EQ(told.get_future().get().value->positions(), features.positions());
  Request request = ask("What is this?", 5);
  const auto want = alone(request);
  request.pictures = features;
  EXPECT_EQ(engine.submit(request).get().generation->tokens(), want);
  test::expect_error(ErrorCode::invalid_argument, "no picture", [&] { engine.encode(Pictures()); });
}

// The request that runs, and the ranking that waits.
TEST_P(EngineTest, EndingItEndsRankings) {
  Endless endless;
  std::future<Response> running;
  std::future<Engine::Ranked> ranked;
  {
    Engine engine(pipeline(), {.max_rows = 1});
    running = engine.submit(ask("What is this?", 4000), endless.control());
    endless.begun.get_future().wait();
    ranked = engine.rank(ask("What is this?", 1), std::vector<std::string>{"yes", "no"});
  }
  EXPECT_EQ(running.get().error->code(), ErrorCode::cancelled);
  test::expect_error(ErrorCode::cancelled, "the engine was ended", [&] { ranked.get(); });
}

TEST_P(EngineTest, ItMayOutliveThePipeline) {
  auto pipeline = std::make_unique<Pipeline>(Pipeline::load(checkpoint(GetParam())));
  Engine engine(*pipeline);
  pipeline.reset();
  EXPECT_EQ(engine.submit(ask("Who?", 4)).get().generation->tokens().size(), 4u);
}

INSTANTIATE_TEST_SUITE_P(Families, EngineTest, testing::Values("t5_2024", "vicuna_2024"),
                         [](const auto& test) { return test.param; });

// Otherwise it would be refused for ever.
TEST(Engine, AVideoLargerThanTheQueueWaitsWhereNothingElseDoes) {
  const Pipeline& pipeline = test::without_cache("video_t5");
  const Request video = {std::vector<Image>(4, picture()), "What happens?", tokens(2)};
  const std::int64_t frame = 3LL * pipeline.info().image_height * pipeline.info().image_width;
  Endless endless;
  Engine engine(pipeline, {.max_rows = 1, .max_waiting_bytes = 3 * frame});
  Request first = video;
  first.options = tokens(4000);
  auto running = engine.submit(first, endless.control());
  endless.begun.get_future().wait();
  auto second = engine.submit(video);
  EXPECT_EQ(engine.stats().waiting_bytes, 4 * frame);
  test::expect_error(ErrorCode::busy, "at most " + std::to_string(3 * frame) + " in all",
                     [&] { engine.submit(video); });
  endless.enough = true;
  EXPECT_TRUE(second.get().generation);
}

// A picture in tiles counts with all of them.
TEST(Engine, TilesCountInTheQueue) {
  const Pipeline& pipeline = test::without_cache("llava_next_hub");
  const NamedTensor pixels = pipeline.features(picture()).front();
  ASSERT_GT(pixels.shape.front(), 1) << "views";
  Endless endless;
  Engine engine(pipeline, {.max_rows = 1});
  auto running = engine.submit({picture(), "What?", tokens(4000)}, endless.control());
  endless.begun.get_future().wait();
  auto second = engine.submit({picture(), "What?", tokens(2)});
  EXPECT_EQ(engine.stats().waiting_bytes,
            std::ssize(pixels.values));  // a byte each
  endless.enough = true;
  EXPECT_TRUE(second.get().generation);
}

// Replicas, each with a runtime of its own.
class ReplicasTest : public testing::Test {
 protected:
  const Pipeline one_ = Pipeline::load(checkpoint("t5_2024")),
                 two_ = Pipeline::load(checkpoint("t5_2024"));
  const std::vector<const Pipeline*> both_ = {&one_, &two_};
};

TEST_F(ReplicasTest, AnswerAsOne) {
  Engine engine(both_);
  std::vector<std::future<Response>> responses;
  for (int i = 0; i < 6; ++i) {
    responses.push_back(engine.submit({picture(), "What is this?", tokens(4 + i)}));
  }
  for (int i = 0; i < 6; ++i) {
    const Response response = responses[static_cast<std::size_t>(i)].get();
    ASSERT_TRUE(response.generation) << response.error->what();
    EXPECT_EQ(response.generation->tokens(),
              one_.generate(picture(), "What is this?", tokens(4 + i)).tokens());
  }
  const std::vector<std::string> candidates = {"a cat", "the sea"};
  const auto ranked = engine.rank({picture(), "What is this?"}, candidates).get();
  EXPECT_EQ(ranked.front().index, one_.rank(picture(), "What is this?", candidates).front().index);
  EXPECT_GT(engine.encode(picture()).get().positions(), 0);
  EXPECT_EQ(engine.stats().answered, 8u);
}

TEST_F(ReplicasTest, RefuseWhenAllAreFull) {
  Engine engine(both_, {.max_rows = 1, .max_waiting = 1});
  Endless running[2];
  std::vector<std::future<Response>> responses;
  for (Endless& one : running) {  // each takes a replica, whichever the other has
    responses.push_back(engine.submit({picture(), "Who?", tokens(4000)}, one.control()));
    one.begun.get_future().wait();
  }
  EXPECT_EQ(engine.stats().running, 2u);
  for (int i = 0; i < 2; ++i) responses.push_back(engine.submit({picture(), "Who?", tokens(3)}));
  test::expect_error(ErrorCode::busy, "", [&] { engine.submit({picture(), "Who?", tokens(3)}); });
  EXPECT_EQ(engine.stats().waiting, 2u);
  EXPECT_EQ(engine.stats().refused, 1u);
  for (Endless& one : running) one.enough = true;
  for (auto& response : responses) EXPECT_TRUE(response.get().generation);
}

TEST_F(ReplicasTest, AreOfOneModel) {
  const Pipeline other = Pipeline::load(checkpoint("vicuna_2024"));
  const std::vector<const Pipeline*> different = {&one_, &other};
  test::expect_error(ErrorCode::invalid_argument, "replica 2", [&] { Engine engine(different); });
  // Held alike, but one is asked for bf16, and may round rows to it.
  const std::filesystem::path stored = checkpoint("t5_2026");
  const Pipeline as_stored = Pipeline::load(stored, {.numerics = Numerics::fast});
  const Pipeline asked =
      Pipeline::load(stored, {.precision = Precision::bf16, .numerics = Numerics::fast});
  ASSERT_EQ(as_stored.info().precision, asked.info().precision);
  const std::vector<const Pipeline*> rounding = {&as_stored, &asked};
  test::expect_error(ErrorCode::invalid_argument, "whose products round rows",
                     [&] { Engine engine(rounding); });
  test::expect_error(ErrorCode::invalid_argument, "got none",
                     [] { Engine engine(std::span<const Pipeline* const>{}); });
}

TEST(Engine, RefusesOptionsAndPipelinesThatCannotAnswer) {
  const Pipeline pipeline = Pipeline::load(checkpoint("t5_2024"));
  test::expect_error(ErrorCode::invalid_argument, "of at least 1, got 0, 256 and 1073741824",
                     [&] { Engine(pipeline, {.max_rows = 0}); });
  test::expect_error(ErrorCode::invalid_argument, "of at least 1, got nothing, 256 and 0",
                     [&] { Engine(pipeline, {.max_waiting_bytes = 0}); });
  const Pipeline light = Pipeline::load(checkpoint("t5_2024"), {.weights = false});
  test::expect_error(ErrorCode::invalid_argument, "without weights", [&] { Engine engine(light); });
}

}  // namespace
}  // namespace instructblip
