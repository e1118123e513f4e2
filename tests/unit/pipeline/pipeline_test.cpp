// What a pipeline promises besides the right ids: streaming, endings, threads, reuse, refusals.
#include "instructblip/pipeline.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "support/temp_directory.h"
#include "unit/pipeline/toys.h"

namespace instructblip {
namespace {

using test::checkpoint;
using test::kSource;
using test::picture;
using test::tokens;

constexpr const char* kInstruction = "What is unusual about this image?";

// Every kind of language model is held to every promise.
class PipelineTest : public testing::TestWithParam<std::string> {
 protected:
  static const Pipeline& pipeline() { return test::without_cache(GetParam()); }

  static ErrorCode code_of(const std::function<void()>& call) {
    try {
      call();
    } catch (const Error& error) {
      return error.code();
    }
    ADD_FAILURE() << "nothing was thrown";
    return ErrorCode::internal;
  }
};

TEST_P(PipelineTest, StreamedPiecesAreTheText) {
  std::string streamed;
  std::vector<std::int32_t> ids;
  const Generation got = pipeline().generate(picture(), kInstruction, tokens(20),
                                             {.on_token = [&](const TokenEvent& event) {
                                               streamed += event.text;
                                               if (event.id >= 0) ids.push_back(event.id);
                                               return Flow::go;
                                             }});
  EXPECT_EQ(streamed, got.text());
  EXPECT_EQ(ids, got.tokens());
  EXPECT_EQ(got.tokens().size(), 20u);
}

TEST_P(PipelineTest, BeamsTellTheirTextAtTheEnd) {
  GenerationConfig config = tokens(8);
  config.num_beams = 3;
  std::vector<std::string> pieces;
  const Generation got = pipeline().generate(picture(), kInstruction, config,
                                             {.on_token = [&](const TokenEvent& event) {
                                               EXPECT_EQ(event.id, -1);
                                               if (!event.text.empty())
                                                 pieces.emplace_back(event.text);
                                               return Flow::go;
                                             }});
  if (got.text().empty()) {
    EXPECT_TRUE(pieces.empty());
  } else {
    EXPECT_EQ(pieces, std::vector<std::string>{got.text()});
  }
}

TEST_P(PipelineTest, StopKeepsAndCancelMarks) {
  for (const auto& [flow, reason] : {std::pair(Flow::stop, FinishReason::stop),
                                     std::pair(Flow::cancel, FinishReason::cancelled)}) {
    int calls = 0;
    const Generation got = pipeline().generate(picture(), kInstruction, tokens(20),
                                               {.on_token = [&, wish = flow](const TokenEvent&) {
                                                 return ++calls >= 3 ? wish : Flow::go;
                                               }});
    EXPECT_EQ(got.tokens().size(), 3u);
    EXPECT_EQ(got.finish_reason(), reason);
  }
}

TEST_P(PipelineTest, AStopTokenCancelsAndKeepsWhatThereIs) {
  std::stop_source source;
  int calls = 0;
  const Generation got = pipeline().generate(picture(), kInstruction, tokens(20),
                                             {.on_token =
                                                  [&](const TokenEvent&) {
                                                    if (++calls == 2) source.request_stop();
                                                    return Flow::go;
                                                  },
                                              .stop = source.get_token()});
  EXPECT_EQ(got.finish_reason(), FinishReason::cancelled);
  EXPECT_EQ(got.tokens().size(), 2u);
}

TEST_P(PipelineTest, APassedDeadlineIsAnError) {
  EXPECT_EQ(code_of([] {
              pipeline().generate(picture(), kInstruction, tokens(20),
                                  {.deadline = std::chrono::steady_clock::now()});
            }),
            ErrorCode::deadline);
}

TEST_P(PipelineTest, WhatACallbackThrowsReachesTheCallerAndChangesNothing) {
  const Generation before = pipeline().generate(picture(), kInstruction, tokens(6));
  EXPECT_THROW(pipeline().generate(picture(), kInstruction, tokens(6),
                                   {.on_token = [](const TokenEvent&) -> Flow {
                                     throw std::runtime_error("mine");
                                   }}),
               std::runtime_error);
  EXPECT_EQ(pipeline().generate(picture(), kInstruction, tokens(6)).tokens(), before.tokens());
}

TEST_P(PipelineTest, AStopStringCutsTheText) {
  const Generation whole = pipeline().generate(picture(), kInstruction, tokens(20));
  ASSERT_GT(whole.text().size(), 6u);
  GenerationConfig config =
      tokens(20);  // end tokens stay banned; a stop string ends it all the same
  // Two whole characters from the middle of the answer.
  std::size_t at = whole.text().size() / 2;
  while ((whole.text()[at] & 0xC0) == 0x80) ++at;
  std::size_t end = at + 1;
  while (end < whole.text().size() && (whole.text()[end] & 0xC0) == 0x80) ++end;
  config.stop = {whole.text().substr(at, end - at)};
  std::string streamed;
  const Generation got = pipeline().generate(picture(), kInstruction, config,
                                             {.on_token = [&](const TokenEvent& event) {
                                               streamed += event.text;
                                               return Flow::go;
                                             }});
  EXPECT_EQ(got.text(), whole.text().substr(0, whole.text().find(config.stop[0])));
  EXPECT_EQ(streamed, got.text());
  EXPECT_EQ(got.finish_reason(), FinishReason::stop);
  EXPECT_LT(got.tokens().size(), whole.tokens().size());
}

TEST_P(PipelineTest, FeaturesAnswerAnyInstructionWithoutTheVisionEncoder) {
  const ImageFeatures features = pipeline().encode(picture());
  EXPECT_EQ(features.positions(), pipeline().info().image_positions);
  for (const char* instruction : {kInstruction, "", "A short image description:"}) {
    const Generation direct = pipeline().generate(picture(), instruction, tokens(8));
    const Generation reused = pipeline().generate(features, instruction, tokens(8));
    EXPECT_EQ(reused.tokens(), direct.tokens());
    EXPECT_EQ(reused.timings.vision, 0);
    EXPECT_GT(direct.timings.vision, 0);
  }
}

TEST_P(PipelineTest, ConcurrentCallsEqualTheirOwnRuns) {
  const std::vector<std::string> instructions = {
      "", "What is this?",
      "Question: how many cats are there? Short answer:", "Describe the image in details."};
  std::vector<std::vector<std::int32_t>> alone;
  for (const std::string& instruction : instructions) {
    alone.push_back(pipeline().generate(picture(), instruction, tokens(8)).tokens());
  }
  std::atomic<int> different = 0;
  std::vector<std::thread> callers;
  for (std::size_t i = 0; i < 8; ++i) {
    callers.emplace_back([&, i] {
      const std::size_t n = i % instructions.size();
      GenerationConfig config = tokens(8);
      if (pipeline().generate(picture(), instructions[n], config).tokens() != alone[n]) ++different;
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(different, 0);
}

TEST_P(PipelineTest, ARowThatFailsTouchesNoOther) {
  const std::vector<Request> requests = {{picture(), kInstruction, tokens(5)},
                                         {picture(), "an <image> of nothing", tokens(5)},
                                         {picture("coffee.jpg"), "", tokens(5)}};
  const std::vector<Response> got = pipeline().generate(requests);
  ASSERT_EQ(got.size(), 3u);
  EXPECT_EQ(got[0].generation->tokens(),
            pipeline().generate(picture(), kInstruction, tokens(5)).tokens());
  EXPECT_FALSE(got[1].generation);
  EXPECT_EQ(got[1].error->code(), ErrorCode::invalid_argument);
  EXPECT_EQ(got[2].generation->tokens(),
            pipeline().generate(picture("coffee.jpg"), "", tokens(5)).tokens());
}

TEST_P(PipelineTest, SamplingIsReproducibleBySeed) {
  GenerationConfig config = tokens(12);
  config.do_sample = true;
  config.temperature = 2.0;
  config.seed = 7;
  const Generation first = pipeline().generate(picture(), kInstruction, config);
  EXPECT_EQ(pipeline().generate(picture(), kInstruction, config).tokens(), first.tokens());
  config.seed = 8;
  EXPECT_NE(pipeline().generate(picture(), kInstruction, config).tokens(), first.tokens());
  config.seed.reset();
  const Generation drawn = pipeline().generate(picture(), kInstruction, config);
  ASSERT_TRUE(drawn.options.seed);
  config.seed = drawn.options.seed;
  EXPECT_EQ(pipeline().generate(picture(), kInstruction, config).tokens(), drawn.tokens());
}

TEST_P(PipelineTest, LogprobsSumToTheScore) {
  GenerationConfig config = tokens(10);
  config.logprobs = true;
  const Generation got = pipeline().generate(picture(), kInstruction, config);
  ASSERT_EQ(got.sequences[0].logprobs.size(), got.tokens().size());
  double sum = 0;
  for (const float logprob : got.sequences[0].logprobs) sum += logprob;
  EXPECT_NEAR(got.score(), sum, 1e-4);
}

TEST_P(PipelineTest, RefusesWhatItCannotAnswer) {
  const auto refused = [](std::string_view instruction, const GenerationConfig& config) {
    return code_of([&] { pipeline().generate(picture(), instruction, config); });
  };
  EXPECT_EQ(refused("a \xFF byte", {}), ErrorCode::invalid_argument);
  EXPECT_EQ(refused("two <image> tokens", {}), ErrorCode::invalid_argument);
  std::string long_text;
  for (int i = 0; i < 3000; ++i) long_text += "dog ";
  EXPECT_EQ(refused(long_text, {}), ErrorCode::invalid_argument);
  GenerationConfig config;
  config.max_new_tokens = 0;
  EXPECT_EQ(refused("fine", config), ErrorCode::invalid_argument);
  config = {};
  config.num_beams = 65;
  EXPECT_EQ(refused("fine", config), ErrorCode::invalid_argument);
}

// Every half-precision value is a float32 value, so holding a checkpoint stored as f16 in f16
// changes nothing but the order of sums.
TEST_P(PipelineTest, HeldInHalfPrecisionItAnswersWithHalfTheBytes) {
  const Pipeline wide = Pipeline::load(checkpoint(GetParam()), {.precision = Precision::f32});
  for (const Precision precision : {Precision::f16, Precision::bf16}) {
    const Pipeline half = Pipeline::load(checkpoint(GetParam()), {.precision = precision});
    EXPECT_LT(half.info().weight_bytes, wide.info().weight_bytes * 2 / 3);
    EXPECT_EQ(half.info().parameters, pipeline().info().parameters);
    GenerationConfig config = tokens(6);
    EXPECT_EQ(half.generate(picture(), kInstruction, config).tokens().size(), 6u);
  }
}

TEST_P(PipelineTest, ReadIntoMemoryItAnswersAsWhenMapped) {
  const Pipeline copied = Pipeline::load(checkpoint(GetParam()), {.mmap = false});
  EXPECT_EQ(copied.generate(picture(), kInstruction, tokens(8)).tokens(),
            pipeline().generate(picture(), kInstruction, tokens(8)).tokens());
}

TEST_P(PipelineTest, WithoutWeightsItDescribesAndTokenizesAndRefusesTheRest) {
  const Pipeline light = Pipeline::load(checkpoint(GetParam()), {.weights = false});
  EXPECT_EQ(light.info().parameters, pipeline().info().parameters);
  EXPECT_EQ(light.info().weight_bytes, pipeline().info().weight_bytes);
  EXPECT_EQ(light.info().image_positions, pipeline().info().image_positions);
  EXPECT_EQ(light.info().tensors.size(), pipeline().info().tensors.size());
  EXPECT_EQ(light.tokenize(kInstruction).language, pipeline().tokenize(kInstruction).language);
  EXPECT_EQ(light.tokenize(kInstruction).qformer, pipeline().tokenize(kInstruction).qformer);

  const ImageFeatures features = pipeline().encode(picture());
  for (const std::function<void()>& call : std::vector<std::function<void()>>{
           [&] { light.generate(picture(), kInstruction); },
           [&] { light.generate(features, kInstruction); }, [&] { light.encode(picture()); },
           [&] { light.features(picture()); }, [&] { light.features(picture(), kInstruction); }}) {
    EXPECT_EQ(code_of(call), ErrorCode::invalid_argument);
  }
}

TEST_P(PipelineTest, ThreadsDoNotChangeTheAnswer) {
  const Pipeline one = Pipeline::load(checkpoint(GetParam()), {.threads = 1});
  EXPECT_EQ(one.info().threads, 1);
  EXPECT_EQ(one.generate(picture(), kInstruction, tokens(8)).tokens(),
            pipeline().generate(picture(), kInstruction, tokens(8)).tokens());
}

TEST_P(PipelineTest, ReportsLoadingProgressUpToTheEnd) {
  std::int64_t last = 0, total = 0;
  Pipeline::load(checkpoint(GetParam()), {.progress = [&](std::int64_t done, std::int64_t all) {
                   EXPECT_GE(done, last);
                   last = done;
                   total = all;
                 }});
  EXPECT_GT(total, 0);
  EXPECT_LE(last, total);
  EXPECT_GT(last, total * 9 / 10);
}

// The reference's InstructBLIP hands generation to its language model, whose settings come from
// text_config.
TEST_P(PipelineTest, GenerationConfigJsonIsNotRead) {
  const test::TempDirectory copy;
  std::filesystem::copy(
      checkpoint(GetParam()), copy.path(),
      std::filesystem::copy_options::recursive | std::filesystem::copy_options::overwrite_existing);
  std::ofstream(copy.path() / "generation_config.json")
      << R"({"max_new_tokens": 3, "num_beams": 4, "do_sample": true, "eos_token_id": 5})";
  const Generation got = Pipeline::load(copy.path()).generate(picture(), kInstruction);
  EXPECT_EQ(got.tokens(), pipeline().generate(picture(), kInstruction).tokens());
  EXPECT_EQ(got.options.num_beams, 1);
}

INSTANTIATE_TEST_SUITE_P(Families, PipelineTest,
                         testing::Values("t5_2024", "vicuna_2024", "blip2_opt"),
                         [](const auto& test) { return test.param; });

// With as many cores as there are, and refused with more threads than any machine has cores.
TEST(PipelinePin, KeepsTheAnswerAndRefusesMoreThreadsThanCores) {
  const auto tokens = [](bool pin) {
    const Pipeline pipeline = Pipeline::load(checkpoint("vicuna_2024"), {.pin = pin});
    return pipeline.generate(picture(), kInstruction).tokens();
  };
  EXPECT_EQ(tokens(true), tokens(false));
  try {
    Pipeline::load(checkpoint("vicuna_2024"), {.threads = 1024, .pin = true});
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    EXPECT_NE(std::string(error.what()).find("got 1024"), std::string::npos) << error.what();
  }
}

// The position table gets its new size without its values.
TEST(PipelineInfo, WithoutWeightsCountsInterpolatedPositions) {
  const auto load = [](bool weights) {
    return Pipeline::load(checkpoint("vicuna_interpolated"),
                          {.interpolate_pos_encoding = true, .weights = weights});
  };
  EXPECT_EQ(load(false).info().image_positions, load(true).info().image_positions);
}

TEST(PipelineTokenize, CountsThePlacesForPictures) {
  const auto marks = [](const std::string& name, const std::string& text) {
    return Pipeline::load(checkpoint(name), {.weights = false}).tokenize(text).image_marks;
  };
  EXPECT_EQ(marks("llava_hub", "What is it?"), 1);  // the template's
  EXPECT_EQ(marks("llava_hub", "USER: <image>\n<image>\nAlike? ASSISTANT:"), 2);
  EXPECT_EQ(marks("llava_next_hub", "<image> <image> <image>"), 3);
  EXPECT_EQ(marks("t5_2024", "What is it?"), 0);
}

// The table of this checkpoint's OPT has 400 positions; the last token of an answer takes none.
TEST(PipelinePositions, EndWhereTheLanguageModelsTableDoes) {
  const Pipeline pipeline = Pipeline::load(checkpoint("blip2_opt"));
  std::string text;
  for (int i = 0; i < 60; ++i) text += "image ";
  const auto prompt =
      static_cast<int>(pipeline.tokenize(text).language.size()) + pipeline.info().query_tokens;
  ASSERT_LT(prompt, 400);
  const auto refusal_of = [&](const std::string& instruction, int count) -> std::string {
    try {
      pipeline.generate(picture(), instruction, tokens(count));
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
      return error.what();
    }
    return "none";
  };
  EXPECT_EQ(refusal_of(text, 401 - prompt), "none");
  EXPECT_NE(refusal_of(text, 402 - prompt).find("than the 400 of"), std::string::npos);
  for (int i = 0; i < 400; ++i) text += "image ";
  EXPECT_NE(refusal_of(text, 1).find("expected at most 400"), std::string::npos);
}

TEST(PipelineFeatures, OfAnotherModelAreRefused) {
  const Pipeline t5 = Pipeline::load(checkpoint("t5_2024"));
  const Pipeline vicuna = Pipeline::load(checkpoint("vicuna_gqa"));
  const ImageFeatures features = t5.encode(picture());
  ASSERT_NE(features.width(), vicuna.info().vision_width);
  try {
    vicuna.generate(features, kInstruction);
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
  }
}

ErrorCode code_of_pictures(const Pipeline& pipeline, const std::vector<Image>& pictures) {
  try {
    pipeline.generate(pictures, kInstruction, tokens(2));
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "nothing was thrown";
  return ErrorCode::internal;
}

TEST(PipelinePictures, AreOneExceptOfAVideo) {
  const Pipeline one = Pipeline::load(checkpoint("t5_2024"));
  EXPECT_EQ(code_of_pictures(one, {}), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of_pictures(one, {picture(), picture()}), ErrorCode::invalid_argument);
  EXPECT_EQ(one.generate(std::vector{picture()}, kInstruction, tokens(2)).tokens(),
            one.generate(picture(), kInstruction, tokens(2)).tokens());

  const Pipeline video = Pipeline::load(checkpoint("video_t5"));
  EXPECT_TRUE(video.info().pictures_are_frames);
  EXPECT_EQ(code_of_pictures(video, {}), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of_pictures(video, {picture(), {}}), ErrorCode::invalid_argument);
}

TEST(PipelinePictures, EncodedTogetherAnswerAsWhenGivenTogether) {
  const Pipeline video = Pipeline::load(checkpoint("video_t5"));
  const std::vector<Image> frames = {picture(), picture("coffee.jpg"), picture("rocket.jpg")};
  const ImageFeatures features = video.encode(frames);
  EXPECT_EQ(features.images(), 3);
  EXPECT_EQ(features.positions(), video.info().image_positions);
  EXPECT_EQ(video.generate(features, kInstruction, tokens(8)).tokens(),
            video.generate(frames, kInstruction, tokens(8)).tokens());
  EXPECT_EQ(video.generate(frames, kInstruction, tokens(8)).prompt_tokens,
            video.generate(frames.front(), kInstruction, tokens(8)).prompt_tokens +
                2 * video.info().query_tokens);
}

}  // namespace
}  // namespace instructblip
