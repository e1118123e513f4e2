// Weights from several places: golden checkpoints taken apart and put together again must answer as
// the whole ones do.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "checkpoint/tensor_store.h"
#include "golden/checkpoint_parts.h"
#include "golden/golden_requests.h"
#include "instructblip/log.h"
#include "support/expect_error.h"
#include "support/lavis_names.h"
#include "support/temp_directory.h"

namespace instructblip {
namespace {

namespace fs = std::filesystem;
using namespace test;  // NOLINT: golden requests, files to write

class SourcesTest : public testing::TestWithParam<std::string> {};

TEST_P(SourcesTest, LavisFileAndLanguageModelAreTheWholeModel) {
  const Parts parts(GetParam());
  LoadOptions options;
  options.language_model = parts.language_model();
  options.overlays = {
      parts.lavis([](const TensorEntry& entry) { return !Parts::is_of_language(entry); })};
  const Pipeline pipeline = Pipeline::load(parts.checkpoint(), options);
  expect_golden_answers(pipeline, GetParam());
  for (const TensorInfo& tensor : pipeline.info().tensors) {
    const fs::path from = tensor.name.starts_with(kLanguage)
                              ? *options.language_model / "model.safetensors"
                              : options.overlays[0];
    EXPECT_EQ(tensor.file, from) << tensor.name;
  }
}

TEST_P(SourcesTest, LavisFileMayHoldTheLanguageModelToo) {
  const Parts parts(GetParam());
  LoadOptions options;
  options.overlays = {parts.lavis([](const TensorEntry&) { return true; }, "")};
  expect_golden_answers(Pipeline::load(parts.checkpoint(), options), GetParam());
}

TEST_P(SourcesTest, TrimmedLavisFileReplacesWhatItHolds) {
  const Parts parts(GetParam());
  parts.write_with_zeros(Parts::is_trained);
  LoadOptions options;
  options.overlays = {parts.lavis(Parts::is_trained)};
  expect_golden_answers(Pipeline::load(parts.checkpoint(), options), GetParam());
}

TEST_P(SourcesTest, LanguageModelReplacesTheCheckpoints) {
  const Parts parts(GetParam());
  parts.write_with_zeros(Parts::is_of_language);
  LoadOptions options;
  options.language_model = parts.language_model();
  options.mmap = false;
  expect_golden_answers(Pipeline::load(parts.checkpoint(), options), GetParam());
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, SourcesTest,
                         testing::Values("t5_2023", "t5_2024", "vicuna_2023", "vicuna_2024",
                                         "blip2_opt", "blip2_t5", "video_vicuna"),
                         [](const auto& test) { return test.param; });

TEST(Sources, TakeTheNamesOfABareLanguageModel) {
  for (const auto& [name, bare] :
       {std::pair{"vicuna_2024", "model."}, {"blip2_opt", "model."}, {"llava_hub", "model."}}) {
    SCOPED_TRACE(name);
    const Parts parts(name);
    parts.write_with_zeros(Parts::is_of_language);
    LoadOptions options;
    options.language_model = parts.language_model(bare);
    expect_golden_answers(Pipeline::load(parts.checkpoint(), options), name);
  }
}

// eva_vit_g.pth, from which LAVIS fills its vision encoder: bare names, and a layer too many.
TEST(Sources, TakeTheVisionEncoderFromAFileOfItsOwn) {
  const Parts parts("t5_2024");
  const std::vector<TensorEntry> entries(parts.store().entries().begin(),
                                         parts.store().entries().end());
  std::vector<SavedTensor> tensors;
  for (const TensorEntry& entry : entries) {
    if (!entry.name.starts_with("vision_model.") || Parts::is_trained(entry)) continue;
    for (SavedTensor& tensor : as_lavis(entry, "t5")) {
      tensor.name.erase(0, std::string_view("visual_encoder.").size());
      tensors.push_back(std::move(tensor));
    }
  }
  const std::int64_t layers = std::get<VitConfig>(parts.config().vision).layers;
  tensors.push_back({"blocks." + std::to_string(layers) + ".norm1.weight",
                     DType::f32,
                     {1},
                     std::string(4, '\0')});
  parts.directory().write("eva_vit_g.pth", torch_file_of(tensors));
  LoadOptions options;
  options.language_model = parts.language_model();
  options.overlays = {parts.directory() / "eva_vit_g.pth", parts.lavis(Parts::is_trained)};
  expect_golden_answers(Pipeline::load(parts.checkpoint(), options), "t5_2024");
  options.overlays.erase(options.overlays.begin());
  expect_error(ErrorCode::bad_model, "such as LAVIS's eva_vit_g.pth",
               [&] { Pipeline::load(parts.checkpoint(), options); });
}

// Plain Vicuna has fewer rows of words than the checkpoint, which added tokens that no text needs.
TEST(Sources, MakeUpRowsOfWordsThatTheLanguageModelLacks) {
  const std::string name = "vicuna_2024";
  const Parts parts(name);
  parts.write_with_zeros(Parts::is_of_language);
  LoadOptions options;
  options.language_model = parts.language_model("", 490);
  const Pipeline pipeline = Pipeline::load(parts.checkpoint(), options);
  EXPECT_EQ(pipeline.info().vocabulary, 491);
  // Scores differ by what the row that was made up takes of the distribution.
  const Json golden = Json::read(kCheckpoints / name / "golden.json");
  for (const Json& request : golden.at("requests").elements()) {
    const Generation got = pipeline.generate(images_of(request), request.at("instruction").string(),
                                             options_of(request.at("options")));
    EXPECT_EQ(got.tokens(), ids_of(request.at("sequences")[0].at("tokens")))
        << request.at("name").string();
  }
  options.language_model = parts.language_model("", 300);
  expect_error(ErrorCode::bad_model, "has rows for 300 words, but text_config.vocab_size is 491",
               [&] { Pipeline::load(parts.checkpoint(), options); });
}

// What no shape tells: the version of Vicuna.
TEST(Sources, WarnOfAnotherVersionOfTheLanguageModel) {
  const Parts parts("vicuna_2024");
  parts.write_with_zeros(Parts::is_of_language);
  LoadOptions options;
  options.weights = false;
  options.language_model = parts.language_model();
  std::vector<std::string> warnings;
  set_log_sink([&](LogLevel level, std::string_view message) {
    if (level == LogLevel::warning) warnings.emplace_back(message);
  });
  const Json described = Json::read(parts.checkpoint() / "config.json").at("text_config");
  parts.directory().write("language/config.json", described.with({}));
  Pipeline::load(parts.checkpoint(), options);
  const std::size_t before = warnings.size();
  parts.directory().write("language/config.json", described.with({{{"rms_norm_eps"}, "1e-5"}}));
  Pipeline::load(parts.checkpoint(), options);
  set_log_sink({});
  ASSERT_EQ(warnings.size(), 2 * before + 1);
  const auto found = std::ranges::find_if(warnings, [](const std::string& warning) {
    return warning.find("rms_norm_eps is 1e-05, but text_config says 1e-06") != std::string::npos;
  });
  EXPECT_NE(found, warnings.end());
}

// And a model that LAVIS saved has more rows than a config that was written for the plain one.
TEST(Sources, TakeMoreRowsOfWordsThanTheConfigDescribes) {
  const std::string name = "vicuna_2024";
  const Parts parts(name);
  std::string config = content_of(parts.checkpoint() / "config.json");
  replace_all(config, "\"vocab_size\": 491", "\"vocab_size\": 490");
  parts.directory().write("checkpoint/config.json", config);
  LoadOptions options;
  options.overlays = {parts.lavis([](const TensorEntry&) { return true; })};
  const Pipeline pipeline = Pipeline::load(parts.checkpoint(), options);
  EXPECT_EQ(pipeline.info().vocabulary, 491);
  expect_golden_answers(pipeline, name);
}

// --- what is wrong is named

std::string message_of(const fs::path& checkpoint, const LoadOptions& options,
                       const std::string& part) {
  return expect_error(ErrorCode::bad_model, part, [&] { Pipeline::load(checkpoint, options); });
}

TEST(SourcesErrors, NameWhatIsMissing) {
  const Parts parts("t5_2024");
  LoadOptions options;
  options.overlays = {
      parts.lavis([](const TensorEntry& entry) { return !Parts::is_of_language(entry); })};
  message_of(parts.checkpoint(), options, "give the language model's own directory as well");
  options.language_model = parts.language_model();
  options.overlays = {parts.lavis([](const TensorEntry& entry) {
    return !Parts::is_of_language(entry) && entry.name != "query_tokens" &&
           entry.name != "vision_model.post_layernorm.bias";
  })};
  message_of(parts.checkpoint(), options, "query_tokens");
  options.overlays = {parts.lavis([](const TensorEntry& entry) {
    return !Parts::is_of_language(entry) && entry.name != "vision_model.post_layernorm.bias";
  })};
  message_of(parts.checkpoint(), options, "vision_model.post_layernorm.bias [33] is missing");
}

TEST(SourcesErrors, NameWhatIsUnexpectedUnlessItMayBe) {
  const Parts parts("t5_2024");
  parts.write_with_zeros([](const TensorEntry&) { return false; });
  parts.directory().write("more.pth", torch_file_of(std::vector<SavedTensor>{
                                          {"Qformer.cls.predictions.bias", DType::f32, {1}, "1234"},
                                          {"v_head.summary.bias", DType::f32, {1}, "1234"},
                                          {"surprise", DType::f32, {1}, "1234"}}));
  LoadOptions options;
  options.overlays = {parts.directory() / "more.pth"};
  const std::string message =
      message_of(parts.checkpoint(), options, "surprise [1] belongs to no part of this model");
  EXPECT_NE(message.find("more.pth"), std::string::npos) << message;
  EXPECT_EQ(message.find("Qformer.cls"), std::string::npos) << message;
  EXPECT_EQ(message.find("v_head"), std::string::npos) << message;
  EXPECT_NE(message.find("(--ignore-unexpected)"), std::string::npos) << message;
  options.ignore_unexpected = true;
  expect_golden_answers(Pipeline::load(parts.checkpoint(), options), "t5_2024");
}

TEST(SourcesErrors, NameWhatHasAnotherShape) {
  const Parts parts("t5_2024");
  parts.write_with_zeros([](const TensorEntry&) { return false; });
  parts.directory().write("other.pth",
                          torch_file_of(std::vector<SavedTensor>{
                              {"t5_proj.weight", DType::f32, {1, 2}, std::string(8, '\0')}}));
  LoadOptions options;
  options.overlays = {parts.directory() / "other.pth"};
  const std::string message =
      message_of(parts.checkpoint(), options, "language_projection.weight has shape [1, 2]");
  EXPECT_NE(message.find("other.pth"), std::string::npos) << message;
  EXPECT_NE(message.find("(the width in text_config, qformer_config.hidden_size)"),
            std::string::npos)
      << message;
  EXPECT_NE(message.find("hint: is this the language model of another size?"), std::string::npos)
      << message;
}

// All that is wrong is said at once, and before weights are read.
TEST(SourcesErrors, ComeBeforeAnythingIsRead) {
  const Parts parts("t5_2024");
  parts.write_with_zeros([](const TensorEntry&) { return false; });
  parts.directory().write("other.pth",
                          torch_file_of(std::vector<SavedTensor>{
                              {"t5_proj.weight", DType::f32, {1, 2}, std::string(8, '\0')},
                              {"query_tokens", DType::f32, {1, 1, 1}, std::string(4, '\0')}}));
  LoadOptions options;
  options.overlays = {parts.directory() / "other.pth"};
  bool any_was_read = false;
  options.progress = [&](std::int64_t, std::int64_t) { any_was_read = true; };
  const std::string message = message_of(parts.checkpoint(), options, "2 tensors do not fit");
  EXPECT_NE(message.find("query_tokens has shape [1, 1, 1]"), std::string::npos) << message;
  EXPECT_FALSE(any_was_read);
}

TEST(SourcesErrors, TellWhatWasTakenForSomethingElse) {
  const Parts parts("t5_2024");
  LoadOptions options;
  options.language_model = kCheckpoints / "t5_2024";
  message_of(parts.checkpoint(), options, "this is a whole model");
  options.language_model = parts.lavis(Parts::is_trained);
  message_of(parts.checkpoint(), options, "a file of weights is an overlay");
  options.language_model = parts.directory() / "nowhere";
  expect_error(ErrorCode::not_found, "expected the directory of a language model",
               [&] { Pipeline::load(parts.checkpoint(), options); });
  options.language_model.reset();
  options.overlays = {parts.directory() / "nowhere.pth"};
  expect_error(ErrorCode::not_found, "nowhere.pth",
               [&] { Pipeline::load(parts.checkpoint(), options); });
  parts.directory().write("cut.pth", content_of(parts.lavis(Parts::is_trained)).substr(0, 5000));
  options.overlays = {parts.directory() / "cut.pth"};
  message_of(parts.checkpoint(), options, "cut.pth");
}

TEST(SourcesErrors, TellTheLanguageModelOfAnotherKind) {
  const Parts parts("t5_2024");
  const Parts others("vicuna_2024");
  LoadOptions options;
  options.overlays = {
      parts.lavis([](const TensorEntry& entry) { return !Parts::is_of_language(entry); })};
  options.language_model = others.language_model();
  message_of(parts.checkpoint(), options,
             "describes a T5 language model, but the weights hold a LLaMA one");
}

}  // namespace
}  // namespace instructblip
