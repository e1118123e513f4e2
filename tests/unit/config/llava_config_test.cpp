#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <string>
#include <variant>

#include "config/model_config.h"
#include "core/json.h"
#include "expected_generation.h"
#include "support/temp_directory.h"

namespace instructblip {
namespace {

Activation activation_of(const Json& name) {
  static const std::map<std::string, Activation> known = {{"gelu", Activation::gelu},
                                                          {"linear", Activation::linear},
                                                          {"quick_gelu", Activation::quick_gelu}};
  return known.at(name.string());
}

void expect_vision(const ClipVisionConfig& config, const Json& row) {
  const Json expected = row.at("vision");
  EXPECT_EQ(config.hidden, expected.at("hidden_size").integer());
  EXPECT_EQ(config.feed_forward, expected.at("intermediate_size").integer());
  EXPECT_EQ(config.layers, expected.at("num_hidden_layers").integer());
  EXPECT_EQ(config.heads, expected.at("num_attention_heads").integer());
  EXPECT_EQ(config.image_size, expected.at("image_size").integer());
  EXPECT_EQ(config.patch_size, expected.at("patch_size").integer());
  EXPECT_EQ(config.activation, activation_of(expected.at("hidden_act")));
  EXPECT_EQ(config.layer_norm_eps, expected.at("layer_norm_eps").number());
  EXPECT_EQ(config.feature_layers, row.at("feature_layers").integers());
  EXPECT_EQ(config.class_row, row.at("class_row").boolean());
}

void expect_text(const LlamaConfig& config, const Json& expected) {
  EXPECT_EQ(config.vocabulary, expected.at("vocab_size").integer());
  EXPECT_EQ(config.hidden, expected.at("hidden_size").integer());
  EXPECT_EQ(config.layers, expected.at("num_hidden_layers").integer());
  EXPECT_EQ(config.rms_norm_eps, expected.at("rms_norm_eps").number());
  EXPECT_EQ(config.max_positions, expected.at("max_position_embeddings").integer());
}

void expect_as_the_reference(const std::string& file, std::int64_t null_top_k) {
  const Json cases =
      Json::read(std::filesystem::path(INSTRUCTBLIP_SOURCE_DIR) / "tests/unit/config" / file)
          .at("cases");
  ASSERT_GT(cases.size(), 20u);
  for (const Json& row : cases.elements()) {
    SCOPED_TRACE(row.at("name").string());
    const test::TempDirectory directory;
    directory.write("config.json", row.at("config").dump());
    if (const auto content = row.find("generation_file")) {
      directory.write("generation_config.json", content->dump());
    }
    const ModelConfig config = read_model_config(directory.path());
    const Json expected = row.at("expected");
    EXPECT_EQ(config.model_type, "llava");
    EXPECT_FALSE(config.qformer);
    expect_vision(std::get<ClipVisionConfig>(config.vision), expected);
    const auto& projection = std::get<MlpProjectionConfig>(config.projection);
    EXPECT_EQ(projection.activation, activation_of(expected.at("projector_hidden_act")));
    EXPECT_EQ(projection.bias, expected.at("multimodal_projector_bias").boolean());
    EXPECT_FALSE(projection.two_layers);
    expect_text(std::get<LlamaConfig>(config.text), expected.at("text"));
    EXPECT_EQ(config.prompt.image_token, expected.at("image_token").integer());
    expect_generation(config.generation, expected.at("generation"));
    EXPECT_EQ(config.generation.top_k.value_or(50),
              expected.at("generation").integer_or("top_k", null_top_k));
  }
}

TEST(LlavaConfig, ReadsDirectoriesOfRelease4AsItDoes) {
  expect_as_the_reference("llava_config_goldens_4.json", 0);
}

TEST(LlavaConfig, ReadsDirectoriesOfRelease5AsItDoes) {
  expect_as_the_reference("llava_config_goldens_5.json", 50);
}

TEST(LlavaConfig, TellsTheProjectorsShapeWhereTheFileDoes) {
  const auto two_layers = [](const std::string& keys) {
    const test::TempDirectory directory;
    directory.write("config.json", R"({"model_type": "llava")" + keys + "}");
    const ModelConfig config = read_model_config(directory.path());
    return std::get<MlpProjectionConfig>(config.projection).two_layers;
  };
  EXPECT_EQ(two_layers(""), std::nullopt);
  EXPECT_EQ(two_layers(R"(, "mm_projector_type": "linear")"), false);
  EXPECT_EQ(two_layers(R"(, "mm_projector_type": "mlp2x_gelu")"), true);
}

TEST(LlavaConfig, CountsRowsAndTheirWidth) {
  ClipVisionConfig vision;
  vision.hidden = 20;
  vision.image_size = 30;
  vision.patch_size = 7;
  vision.feature_layers = {0, 3, 3};
  EXPECT_EQ(vision.positions(), 17);  // 28 of 30 pixels are looked at
  EXPECT_EQ(vision.width(), 60);
}

}  // namespace
}  // namespace instructblip
