// Batches that do not lie: a request's answer is the one that it gets alone, whatever is beside it.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <numeric>
#include <random>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "instructblip/pipeline.h"
#include "support/temp_directory.h"
#include "unit/pipeline/toys.h"

namespace instructblip {
namespace {

using test::checkpoint;
using test::picture;
using test::tokens;

// Every kind of model, of every kind of language model.
class BatchTest : public testing::TestWithParam<std::string> {
 protected:
  static const Pipeline& pipeline() { return test::without_cache(GetParam()); }
};

GenerationConfig beams(int count, int length) {
  GenerationConfig config;
  config.num_beams = count;
  config.max_new_tokens = length;
  config.num_return_sequences = count > 2 ? 2 : 1;
  return config;
}

GenerationConfig drawn(std::uint64_t seed, int rows) {
  GenerationConfig config = tokens(9);
  config.num_beams = 1;  // whatever the checkpoint says
  config.do_sample = true;
  config.seed = seed;
  config.num_return_sequences = rows;
  return config;
}

// Prompts, answers, pictures and ways of decoding of every length.
std::vector<Request> mixed_requests() {
  std::string lengthy = "Describe";
  for (int i = 0; i < 60; ++i) lengthy += i % 7 == 0 ? ", please," : " the picture";
  GenerationConfig penalised = beams(5, 12);
  penalised.repetition_penalty = 1.5;
  penalised.length_penalty = -1;
  return {{picture(), "What is this?", tokens(14)},
          {picture("coffee.jpg"), lengthy, tokens(5)},
          {picture("rocket.jpg"), "Question: how many cats are there? Short answer:", beams(3, 7)},
          {picture(), "What is this?", {}},
          {picture("retina.jpg"), "is it red", penalised},
          {picture("coffee.jpg"), "What is this?", drawn(3, 1)},
          {picture("portrait.jpg"), "A short image description:", drawn(4, 3)},
          {picture("rocket.jpg"), "a", tokens(1)},
          {picture("camera_grey.jpg"), lengthy + " again", beams(2, 20)}};
}

void expect_equal(const Generation& got, const Generation& alone) {
  ASSERT_EQ(got.sequences.size(), alone.sequences.size());
  for (std::size_t i = 0; i < got.sequences.size(); ++i) {
    EXPECT_EQ(got.sequences[i].tokens, alone.sequences[i].tokens);
    EXPECT_EQ(got.sequences[i].text, alone.sequences[i].text);
    EXPECT_EQ(got.sequences[i].finish_reason, alone.sequences[i].finish_reason);
    // A sum over the tokens, whose addends the products of another batch may round otherwise.
    EXPECT_NEAR(got.sequences[i].score, alone.sequences[i].score,
                5e-5 * std::max(10.0, std::abs(alone.sequences[i].score)));
  }
  EXPECT_EQ(got.prompt_tokens, alone.prompt_tokens);
  EXPECT_EQ(got.qformer_tokens, alone.qformer_tokens);
}

TEST_P(BatchTest, AnyOrderGivesTheAnswersOfEachAlone) {
  const std::vector<Request> requests = mixed_requests();
  std::vector<Generation> alone;
  for (const Request& request : requests) {
    alone.push_back(pipeline().generate(request.pictures, request.instruction, request.options));
  }
  std::vector<std::size_t> order(requests.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::mt19937 random(5);
  for (int round = 0; round < 3; ++round) {
    std::shuffle(order.begin(), order.end(), random);
    std::vector<Request> shuffled;
    for (const std::size_t i : order) shuffled.push_back(requests[i]);
    const std::vector<Response> got = pipeline().generate(shuffled);
    ASSERT_EQ(got.size(), requests.size());
    for (std::size_t i = 0; i < order.size(); ++i) {
      SCOPED_TRACE("round " + std::to_string(round) + ", request " + std::to_string(order[i]));
      ASSERT_TRUE(got[i].generation) << got[i].error->what();
      expect_equal(*got[i].generation, alone[order[i]]);
    }
  }
}

TEST_P(BatchTest, MoreThanFitAtOnceAreAnswered) {
  const Generation alone = pipeline().generate(picture(), "What is this?", beams(5, 4));
  const std::vector<Request> requests(20, {picture(), "What is this?", beams(5, 4)});
  for (const Response& response : pipeline().generate(requests)) {
    ASSERT_TRUE(response.generation);
    expect_equal(*response.generation, alone);
  }
}

TEST_P(BatchTest, TellsWhichRequestAStepBelongsTo) {
  std::map<int, std::string> told;
  const std::vector<Request> requests = mixed_requests();
  const std::vector<Response> got =
      pipeline().generate(requests, {.on_token = [&](const TokenEvent& event) {
                            told[event.request] += event.text;
                            return Flow::go;
                          }});
  for (std::size_t i = 0; i < requests.size(); ++i) {
    EXPECT_EQ(told[static_cast<int>(i)], got[i].generation->text()) << "request " << i;
  }
}

TEST_P(BatchTest, ACallbackMayEndOneOfThem) {
  const std::vector<Request> requests(3, {picture(), "What is this?", tokens(10)});
  std::map<int, int> steps;
  const std::vector<Response> got = pipeline().generate(
      requests, {.on_token = [&](const TokenEvent& event) {
        return ++steps[event.request] == 4 && event.request == 1 ? Flow::cancel : Flow::go;
      }});
  EXPECT_EQ(got[0].generation->tokens().size(), 10u);
  EXPECT_EQ(got[1].generation->tokens().size(), 4u);
  EXPECT_EQ(got[1].generation->finish_reason(), FinishReason::cancelled);
  EXPECT_EQ(got[2].generation->tokens(), got[0].generation->tokens());
}

TEST_P(BatchTest, WhatACallbackThrowsLeavesTheCall) {
  const std::vector<Request> requests(2, {picture(), "What is this?", tokens(10)});
  EXPECT_THROW(pipeline().generate(requests, {.on_token = [](const TokenEvent&) -> Flow {
                                     throw std::runtime_error("enough");
                                   }}),
               std::runtime_error);
}

INSTANTIATE_TEST_SUITE_P(Families, BatchTest,
                         testing::Values("t5_2024", "vicuna_2024", "vicuna_gqa", "blip2_opt",
                                         "blip2_opt_postln", "blip2_t5", "llava_hub"),
                         [](const auto& test) { return test.param; });

// OPT's table of positions ends in the middle of an answer: the pass of all three fails, and only
// one of them has.
TEST(Batch, OneThatFailsInTheModelHarmsNoOther) {
  const Pipeline pipeline = Pipeline::load(checkpoint("blip2_opt"), {.cache_bytes = 0});
  const auto beyond = tokens(600);
  const std::vector<Request> requests = {{picture(), "What is this?", tokens(300)},
                                         {picture("coffee.jpg"), "What is this?", beyond},
                                         {picture("rocket.jpg"), "What?", beams(3, 300)}};
  const std::vector<Response> got = pipeline.generate(requests);
  ASSERT_TRUE(got[1].error);
  EXPECT_EQ(got[1].error->code(), ErrorCode::invalid_argument);
  for (const std::size_t i : {std::size_t{0}, std::size_t{2}}) {
    const Generation alone =
        pipeline.generate(requests[i].pictures, requests[i].instruction, requests[i].options);
    ASSERT_TRUE(got[i].generation) << got[i].error->what();
    expect_equal(*got[i].generation, alone);
  }
}

// Each pass tells a step of every request that it moves.
TEST(Batch, NoMoreHypothesesThanPromisedAreDecodedTogether) {
  const Pipeline pipeline = Pipeline::load(checkpoint("t5_2024"), {.cache_bytes = 0});
  GenerationConfig options = tokens(4);
  options.num_beams = 5;
  const std::vector<Request> requests(9, {picture(), "What is this?", options});
  std::vector<int> told;
  pipeline.generate(requests, {.on_token = [&](const TokenEvent& event) {
                      told.push_back(event.request);
                      return Flow::go;
                    }});
  const auto second_pass = std::find(told.begin() + 1, told.end(), told.front());
  EXPECT_EQ(second_pass - told.begin(), 32 / 5);
}

// Six of the requests run.
TEST(Batch, AStopEndsBeforeFurtherPicturesAreResized) {
  const Pipeline pipeline = Pipeline::load(checkpoint("t5_2024"), {.cache_bytes = 0});
  const std::vector<Request> requests(9, {picture(), "What is this?", beams(5, 4)});
  std::stop_source source;
  const auto stop = [&](const TokenEvent&) {
    source.request_stop();
    return Flow::go;
  };
  const std::vector<Response> got =
      pipeline.generate(requests, {.on_token = stop, .stop = source.get_token()});
  for (std::size_t i = 0; i < requests.size(); ++i) {
    ASSERT_TRUE(got[i].generation) << i;
    EXPECT_EQ(got[i].generation->finish_reason(), FinishReason::cancelled) << i;
    EXPECT_EQ(got[i].generation->timings.image > 0, i < 32 / 5) << i;
  }
}

// A picture that cannot be taken says whether it was looked at.
TEST(Batch, ADeadlineEndsBeforeFurtherPicturesAreResized) {
  const test::TempDirectory directory;
  const std::filesystem::path unresized = directory / "t5";
  std::filesystem::copy(checkpoint("t5_2024"), unresized, std::filesystem::copy_options::recursive);
  std::ofstream(unresized / "preprocessor_config.json")
      << R"({"do_resize": false, "size": {"height": 45, "width": 45}})";
  const Pipeline pipeline = Pipeline::load(unresized, {.cache_bytes = 0});
  const Image fitting = Image::adopt(std::vector<std::uint8_t>(3 * 45 * 45), 45, 45);
  std::vector<Request> requests(9, {fitting, "What is this?", beams(5, 4)});
  requests.back().pictures = picture();
  EXPECT_EQ(pipeline.generate(requests).back().error->code(), ErrorCode::bad_image);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(2);
  const auto wait = [&](const TokenEvent&) {
    std::this_thread::sleep_until(deadline);
    return Flow::go;
  };
  for (const Response& response :
       pipeline.generate(requests, {.on_token = wait, .deadline = deadline})) {
    ASSERT_TRUE(response.error);
    EXPECT_EQ(response.error->code(), ErrorCode::deadline) << response.error->what();
  }
}

// By several threads at once: each request has its own picture, or its own failure.
TEST(Batch, PicturesAreResizedByAllThreads) {
  const Pipeline one = Pipeline::load(checkpoint("t5_2024"), {.threads = 1, .cache_bytes = 0});
  const Pipeline several = Pipeline::load(checkpoint("t5_2024"), {.threads = 4, .cache_bytes = 0});
  std::vector<Request> requests;
  for (const char* name : {"astronaut.jpg", "coffee.jpg", "rocket.jpg", "retina.jpg"}) {
    for (const int count : {4, 6})
      requests.push_back({picture(name), "What is this?", tokens(count)});
  }
  requests[3].pictures = Image();
  const std::vector<Response> want = one.generate(requests), got = several.generate(requests);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    ASSERT_EQ(got[i].generation.has_value(), i != 3) << i;
    if (i == 3) {
      EXPECT_STREQ(got[i].error->what(), want[i].error->what());
    } else {
      EXPECT_EQ(got[i].generation->tokens(), want[i].generation->tokens()) << i;
    }
  }
}

// As it is: an exception of the caller's own is no failure of the library.
TEST(Batch, WhatACallbackThrowsLeavesTheCall) {
  const Pipeline pipeline = Pipeline::load(checkpoint("t5_2024"));
  const Control control{
      .on_token = [](const TokenEvent&) -> Flow { throw std::out_of_range("the caller's"); }};
  const std::vector<Request> requests(2, {picture(), "What is this?", tokens(3)});
  EXPECT_THROW(pipeline.generate(requests, control), std::out_of_range);
  EXPECT_THROW(pipeline.generate(picture(), "What is this?", tokens(3), control),
               std::out_of_range);
}

TEST(Batch, FramesOfAVideoStayTogether) {
  const Pipeline pipeline = Pipeline::load(checkpoint("video_t5"), {.cache_bytes = 0});
  const std::vector<Image> four = {picture(), picture("coffee.jpg"), picture("rocket.jpg"),
                                   picture("retina.jpg")};
  const std::vector<Image> two = {picture("coffee.jpg"), picture()};
  const std::vector<Request> requests = {{four, "What happens?", tokens(8)},
                                         {two, "Who is it, and why?", beams(3, 8)},
                                         {two, "What happens?", tokens(8)}};
  const std::vector<Response> got = pipeline.generate(requests);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    SCOPED_TRACE(i);
    ASSERT_TRUE(got[i].generation) << got[i].error->what();
    expect_equal(
        *got[i].generation,
        pipeline.generate(requests[i].pictures, requests[i].instruction, requests[i].options));
  }
}

}  // namespace
}  // namespace instructblip
