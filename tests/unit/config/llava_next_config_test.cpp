#include <gtest/gtest.h>

#include <filesystem>
#include <variant>

#include "config/model_config.h"
#include "core/json.h"
#include "support/temp_directory.h"

namespace instructblip {
namespace {

void expect_text(const LlamaConfig& config, const Json& expected) {
  const Json text = expected.at("text");
  EXPECT_EQ(config.vocabulary, text.at("vocab_size").integer());
  EXPECT_EQ(config.hidden, text.at("hidden_size").integer());
  EXPECT_EQ(config.feed_forward, text.at("intermediate_size").integer());
  EXPECT_EQ(config.layers, text.at("num_hidden_layers").integer());
  EXPECT_EQ(config.heads, text.at("num_attention_heads").integer());
  EXPECT_EQ(config.key_value_heads, text.at("num_key_value_heads").integer());
  EXPECT_EQ(config.rms_norm_eps, text.at("rms_norm_eps").number());
  EXPECT_EQ(config.rope_theta, text.at("rope_theta").number());
  EXPECT_EQ(config.max_positions, text.at("max_position_embeddings").integer());
  EXPECT_EQ(config.tie_word_embeddings, text.at("tie_word_embeddings").boolean());
  EXPECT_EQ(config.head_dim, expected.at("head_dim").integer());
  const auto window = expected.find("window");
  EXPECT_EQ(config.window.has_value(), window.has_value());
  if (window) {
    EXPECT_EQ(config.window, window->integer());
  }
}

TEST(LlavaNextConfig, ReadsDirectoriesAsTheReference) {
  const Json cases = Json::read(std::filesystem::path(INSTRUCTBLIP_SOURCE_DIR) /
                                "tests/unit/config/llava_next_config_goldens.json")
                         .at("cases");
  ASSERT_GE(cases.size(), 9u);
  for (const Json& row : cases.elements()) {
    SCOPED_TRACE(row.at("name").string());
    const test::TempDirectory directory;
    directory.write("config.json", row.at("config").dump());
    const ModelConfig config = read_model_config(directory.path());
    const Json expected = row.at("expected");
    EXPECT_EQ(config.model_type, "llava_next");
    const auto& vision = std::get<ClipVisionConfig>(config.vision);
    EXPECT_EQ(vision.feature_layers, expected.at("feature_layers").integers());
    EXPECT_FALSE(vision.class_row);
    const TilingConfig& tiling = std::get<TiledProjectionConfig>(config.projection).tiling;
    EXPECT_EQ(tiling.side, expected.at("side").integer());
    EXPECT_EQ(tiling.patches, expected.at("patches").integer());
    const Json grid = expected.at("grid");
    ASSERT_EQ(tiling.grid.size(), grid.size());
    for (std::size_t i = 0; i < grid.size(); ++i) {
      EXPECT_EQ(tiling.grid[i], (PictureSize{grid[i][0].integer(), grid[i][1].integer()}));
    }
    ASSERT_TRUE(config.image_processor.tiling);
    EXPECT_EQ(config.image_processor.tiling->grid, tiling.grid);
    EXPECT_EQ(config.prompt.image_token, expected.at("image_token").integer());
    EXPECT_EQ(config.generation.eos.front(), expected.at("ends").integer());
    expect_text(std::get<LlamaConfig>(config.text), expected);
  }
}

TEST(LlavaNextConfig, WrapsQuestionsAsTheModelWasTrained) {
  const auto chat_of = [](const char* text) {
    const test::TempDirectory directory;
    directory.write("config.json", std::string(R"({"model_type":"llava_next","image_token_index":7,
                                                   "text_config":{"model_type":")") +
                                       text + "\"}}");
    return read_model_config(directory.path()).prompt.chat.value();
  };
  EXPECT_EQ(chat_of("mistral").before, "[INST] <image>\n");
  EXPECT_EQ(chat_of("mistral").after, " [/INST]");
  EXPECT_TRUE(chat_of("llama").before.starts_with("A chat between a curious human and"));
  EXPECT_TRUE(chat_of("llama").before.ends_with(" USER: <image>\n"));
  EXPECT_EQ(chat_of("llama").after, " ASSISTANT:");
}

// The image settings have to cut the tiles that the model puts together.
TEST(LlavaNextConfig, WantsTheImageSettingsToAgree) {
  const test::TempDirectory directory;
  directory.write("config.json", R"({"model_type":"llava_next","image_token_index":7,
                                     "vision_config":{"image_size":28,"patch_size":14},
                                     "image_grid_pinpoints":[[28,56],[56,28]]})");
  const ImageProcessorRules rules = read_model_config(directory.path()).image_processor;
  const auto read = [&](const std::string& keys) {
    directory.write("preprocessor_config.json",
                    R"({"image_processor_type":"LlavaNextImageProcessor",)" + keys + "}");
    return read_image_config(directory.path(), rules);
  };
  const std::string grid = R"("image_grid_pinpoints":[[28,56],[56,28]])";
  const ImageConfig config =
      read(grid + R"(,"crop_size":28,"size":{"height":30,"width":40},"do_pad":true)");
  EXPECT_EQ(config.grid, rules.tiling->grid);
  EXPECT_EQ(config.tile_side, 28);
  EXPECT_EQ(config.whole, (PictureSize{30, 40}));
  EXPECT_TRUE(config.whole_is_square);
  EXPECT_FALSE(config.pad_to_square);  // do_pad means the batch here
  EXPECT_EQ(config.height, 28);
}

}  // namespace
}  // namespace instructblip
