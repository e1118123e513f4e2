// What transformers 4.57.3 does with each of these files was seen by running it: where they do not
// agree with config.json, it answers with a part of the picture (BLIP) or fails (LLaVA).
#include "config/processor_config.h"

#include <gtest/gtest.h>

#include <string>

#include "config/model_config.h"
#include "support/expect_error.h"
#include "support/temp_directory.h"
#include "support/warnings.h"

namespace instructblip {
namespace {

using test::expect_error;
using test::TempDirectory;
using test::Warnings;

constexpr const char* kInstruct = R"({"model_type": "instructblip", "num_query_tokens": 12,
    "text_config": {"model_type": "llama"}})";
constexpr const char* kLlava = R"({"model_type": "llava",
    "vision_config": {"image_size": 42, "patch_size": 14}})";
constexpr const char* kFull = R"({"model_type": "llava", "vision_feature_select_strategy": "full",
    "vision_config": {"image_size": 42, "patch_size": 14}})";

struct Files {
  std::string processor = {}, tokenizer = {};
};

void check(const std::string& config, const Files& files) {
  const TempDirectory directory;
  directory.write("config.json", config);
  if (!files.processor.empty()) directory.write("processor_config.json", files.processor);
  if (!files.tokenizer.empty()) directory.write("tokenizer_config.json", files.tokenizer);
  ImageConfig pixels;
  pixels.height = pixels.width = 42;
  check_processor_config(directory.path(), read_model_config(directory.path()), pixels);
}

void refused(const std::string& config, const Files& files, const std::string& part) {
  expect_error(ErrorCode::bad_model, part, [&] { check(config, files); });
}

TEST(ProcessorConfig, ThatAgreesIsTaken) {
  const Warnings warnings;
  for (const char* processor :
       {"", "{}", R"({"num_query_tokens": 12})", R"({"num_query_tokens": null})"}) {
    EXPECT_NO_THROW(check(kInstruct, {processor})) << processor;
  }
  for (const char* processor :
       {"", "{}", R"({"patch_size": 14})", R"({"patch_size": 13, "image_token": "<image>"})",
        R"({"vision_feature_select_strategy": "default", "num_additional_image_tokens": 1})",
        R"({"vision_feature_select_strategy": "default"})",
        R"({"vision_feature_select_strategy": "full"})",
        R"({"vision_feature_select_strategy": "full", "num_additional_image_tokens": 0})",
        R"({"num_additional_image_tokens": 0})"}) {
    EXPECT_NO_THROW(check(kLlava, {processor})) << processor;
  }
  EXPECT_NO_THROW(check(kFull, {R"({"num_additional_image_tokens": 1})"}));
  EXPECT_NO_THROW(check(kFull, {R"({"vision_feature_select_strategy": "full"})"}));
  for (const char* tokenizer :
       {"{}", R"({"image_token": "<pic>"})", R"({"extra_special_tokens": ["<pic>"]})",
        R"({"extra_special_tokens": {"image_token": "<image>"}})"}) {
    EXPECT_NO_THROW(check(kLlava, {.tokenizer = tokenizer})) << tokenizer;
  }
  EXPECT_EQ(warnings.all(), "");
}

TEST(ProcessorConfig, ThatCountsOtherQueriesIsRefused) {
  refused(kInstruct, {R"({"num_query_tokens": 3})"},
          "processor_config.json: num_query_tokens: 3, but config.json says 12");
}

TEST(ProcessorConfig, ThatCountsOtherPatchesIsRefused) {
  refused(kLlava, {R"({"patch_size": 7})"}, "patch_size: 7, but config.json says 14");
  refused(kLlava,
          {R"({"vision_feature_select_strategy": "full", "num_additional_image_tokens": 1})"},
          "vision_feature_select_strategy: 'full', but config.json says 'default'");
  refused(kLlava,
          {R"({"vision_feature_select_strategy": "default", "num_additional_image_tokens": 0})"},
          "num_additional_image_tokens: 0, but");
  refused(kLlava, {R"({"num_additional_image_tokens": 1})"}, "num_additional_image_tokens: 1, but");
  refused(kFull, {R"({"vision_feature_select_strategy": "default"})"},
          "vision_feature_select_strategy: 'default', but config.json says 'full'");
}

TEST(ProcessorConfig, WithAnotherTextForAPictureIsRefused) {
  const auto unsupported = [](const char* config, const Files& files, const std::string& part) {
    expect_error(ErrorCode::unsupported, part, [&] { check(config, files); });
  };
  const std::string pic = "'<pic>' stands for a picture, expected '<image>'";
  unsupported(kLlava, {R"({"image_token": "<pic>"})"},
              "processor_config.json: image_token: " + pic);
  const Files tokenizer = {.tokenizer = R"({"extra_special_tokens": {"image_token": "<pic>"}})"};
  unsupported(kLlava, tokenizer, "tokenizer_config.json: extra_special_tokens.image_token: " + pic);
  unsupported(kInstruct, tokenizer, "extra_special_tokens.image_token: " + pic);
}

// AutoProcessor takes the defaults of the class then, and the model fails with pixels of their
// size.
TEST(ProcessorConfig, WithoutSettingsOfPicturesNeedsTheirDefaultSize) {
  const auto load = [](const char* config) {
    const TempDirectory directory;
    directory.write("config.json", config);
    directory.write("processor_config.json", R"({"processor_class": "InstructBlipProcessor"})");
    const ModelConfig model = read_model_config(directory.path());
    const ImageConfig pixels = read_image_config(directory.path(), model.image_processor);
    EXPECT_TRUE(pixels.is_default);
    check_processor_config(directory.path(), model, pixels);
  };
  const Warnings warnings;
  expect_error(ErrorCode::not_found, "preprocessor_config.json: no such file",
               [&] { load(kInstruct); });
  load(R"({"model_type": "instructblip", "text_config": {"model_type": "llama"},
           "vision_config": {"image_size": 384, "patch_size": 14}})");
  EXPECT_TRUE(warnings.have("no preprocessor_config.json: pictures are made by the defaults"));
}

TEST(ProcessorConfig, OfAnotherFamilyIsSpokenOf) {
  const Warnings warnings;
  check(kLlava, {R"({"processor_class": "LlavaNextProcessor"})",
                 R"({"processor_class": "LlavaProcessor"})"});
  EXPECT_TRUE(warnings.have("processor_class: 'LlavaNextProcessor'")) << warnings.all();
}

}  // namespace
}  // namespace instructblip
