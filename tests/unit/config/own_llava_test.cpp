#include "config/own_llava.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "config/model_config.h"
#include "core/json.h"
#include "support/expect_error.h"
#include "support/temp_directory.h"
#include "support/warnings.h"

namespace instructblip {
namespace {

using test::expect_error;
using test::TempDirectory;
using test::Warnings;

constexpr const char* kLlava = R"({"model_type": "llava", "vision_feature_layer": -2,
    "vision_config": {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24,
                      "num_attention_heads": 16, "image_size": 336, "patch_size": 14}})";
constexpr const char* kLlavaNext = R"({"model_type": "llava_next",
    "image_grid_pinpoints": [[336, 672], [672, 336]],
    "vision_config": {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24,
                      "num_attention_heads": 16, "image_size": 336, "patch_size": 14}})";
constexpr const char* kOwn = R"({"model_type": "llava_llama", "mm_projector_type": "mlp2x_gelu",
    "mm_vision_tower": "openai/clip-vit-large-patch14-336", "mm_vision_select_layer": -2,
    "mm_vision_select_feature": "patch", "mm_use_im_start_end": false})";
const Json::Edits kOwnNext = {{{"image_aspect_ratio"}, "\"anyres\""},
                              {{"mm_patch_merge_type"}, "\"spatial_unpad\""},
                              {{"image_grid_pinpoints"}, "[[672, 336], [336, 672]]"}};

// A checkpoint of transformers, and a folder of LLaVA's own code.
struct Folders {
  TempDirectory checkpoint, own;

  Folders(const std::string& described, const Json::Edits& changes) {
    checkpoint.write("config.json", described);
    checkpoint.write("preprocessor_config.json",
                     described == kLlava ? R"({"image_processor_type": "CLIPImageProcessor"})"
                                         : R"({"image_processor_type": "LlavaNextImageProcessor",
                               "image_grid_pinpoints": [[336, 672], [672, 336]],
                               "crop_size": 336})");
    own.write("config.json", Json::parse(kOwn, "own").with(changes));
  }
  void check(std::optional<bool> two_layers = std::nullopt) const {
    check_own_llava(own.path(), checkpoint.path(), read_model_config(checkpoint.path()),
                    two_layers);
  }
};

struct Row {
  std::string key, value, message;
};

void expect_errors(const char* described, const Json::Edits& common, const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    Json::Edits changes = common;
    changes.push_back({{row.key}, row.value});
    const Folders folders(described, changes);
    expect_error(ErrorCode::bad_model, row.message, [&] { folders.check(/*two_layers=*/true); });
  }
}

TEST(OwnLlava, OfTheSameSettingsIsTaken) {
  const Warnings warnings;
  EXPECT_NO_THROW(Folders(kLlava, {}).check(/*two_layers=*/true));
  EXPECT_NO_THROW(Folders(kLlava, {{{"mm_vision_select_layer"}, "23"}}).check());
  EXPECT_NO_THROW(
      Folders(kLlava, {{{"mm_vision_tower"}, "\"/data/CLIP-ViT-large-patch14-336/\""}}).check());
  EXPECT_NO_THROW(Folders(kLlava, {{{"mm_projector_type"}, "\"linear\""}}).check(false));
  EXPECT_NO_THROW(Folders(kLlavaNext, kOwnNext).check());
  // A missing key contradicts nothing.
  for (const char* key : {"mm_projector_type", "mm_vision_tower", "mm_vision_select_layer",
                          "mm_vision_select_feature"}) {
    EXPECT_NO_THROW(Folders(kLlava, {{{key}, ""}}).check(/*two_layers=*/true)) << key;
  }
  EXPECT_EQ(warnings.all(), "");
}

TEST(OwnLlava, IsComparedInWhatNoTensorTells) {
  expect_errors(
      kLlava, {},
      {{"mm_vision_select_layer", "-1",
        "mm_vision_select_layer is -1, but vision_feature_layer says -2"},
       {"mm_vision_select_feature", "\"cls_patch\"",
        "mm_vision_select_feature is 'cls_patch', but vision_feature_select_strategy says "
        "'default'"},
       {"mm_projector_type", "\"linear\"",
        "mm_projector_type is 'linear', but the projector in the weights has two layers"},
       {"mm_projector_type", "\"mlp3x_gelu\"", "only linear and mlp2x_gelu are run here"},
       {"mm_vision_tower", "\"openai/clip-vit-large-patch14\"",
        "for 224 pixels in patches of 14), but vision_config describes a CLIP of 24 layers"},
       {"mm_vision_tower", "\"google/siglip-so400m-patch14-384\"",
        "mm_vision_tower is 'google/siglip-so400m-patch14-384', but vision_config describes"},
       {"image_aspect_ratio", "\"anyres\"", "the checkpoint is a LLaVA without tiles"}});
  expect_errors(
      kLlavaNext, kOwnNext,
      {{"image_aspect_ratio", "\"pad\"", "the checkpoint is a LLaVA-NeXT"},
       {"image_aspect_ratio", "\"anyres_max_9\"", "image_aspect_ratio is 'anyres_max_9'"},
       {"mm_patch_merge_type", "", "mm_patch_merge_type is 'flat'"},
       {"image_grid_pinpoints", "[[336, 672]]", "image_grid_pinpoints is another grid"},
       {"image_grid_pinpoints", "\"(1x1),...,(6x6)\"", "image_grid_pinpoints is '(1x1)"}});
}

TEST(OwnLlava, WarnsWhereThePictureMayBeAnother) {
  const auto warned = [](const char* described, const Json::Edits& changes) {
    const Warnings warnings;
    EXPECT_NO_THROW(Folders(described, changes).check());
    return warnings.all();
  };
  EXPECT_NE(warned(kLlava, {{{"image_aspect_ratio"}, "\"pad\""}}).find("\"do_pad\": true"),
            std::string::npos);
  EXPECT_NE(warned(kLlavaNext, {}).find("image_aspect_ratio is missing"), std::string::npos);
  EXPECT_NE(warned(kLlava, {{{"mm_use_im_start_end"}, "true"}}).find("<im_start>"),
            std::string::npos);
  EXPECT_NE(warned(kLlava, {{{"mm_vision_tower"}, "\"my/tower\""}}).find("nothing is known"),
            std::string::npos);
}

TEST(OwnLlava, IsToldFromThatOfTransformers) {
  const auto is_own = [](const char* config) { return is_own_llava(Json::parse(config, "c")); };
  EXPECT_TRUE(is_own(R"({"model_type": "llava_mistral"})"));
  EXPECT_TRUE(is_own(R"({"model_type": "llava", "mm_hidden_size": 1024})"));
  EXPECT_TRUE(is_own(R"({"model_type": "llava_qwen", "mm_hidden_size": 1152})"));
  EXPECT_FALSE(is_own(R"({"model_type": "llava"})"));
  EXPECT_FALSE(is_own(R"({"model_type": "llava", "mm_projector_type": "linear"})"));
  EXPECT_FALSE(is_own(R"({"model_type": "llava", "text_config": {}, "mm_hidden_size": 1024})"));
  EXPECT_EQ(own_llava_language("llava"), "llama");
  EXPECT_EQ(own_llava_language("llava_llama"), "llama");
  EXPECT_EQ(own_llava_language("llava_mistral"), "mistral");
}

}  // namespace
}  // namespace instructblip
