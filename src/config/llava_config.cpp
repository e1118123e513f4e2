#include <array>
#include <string>
#include <utility>
#include <variant>

#include "config/config_section.h"
#include "config/generation_file.h"
#include "config/model_families.h"
#include "config/patch_encoder.h"
#include "config/text_config.h"
#include "config/tiling_config.h"
#include "core/errors.h"
#include "core/limits.h"

namespace instructblip {
namespace {

// The names of three eras: the hub's and those of transformers 4, those that transformers 5 writes,
// and those it has in memory. The second is what the stages ask for. LLaVA's own code has the
// vision tower inside a module of the same name; the last ones are XTuner's, whose projector may be
// a model of its own.
constexpr std::array<TensorRename, 13> kRenames = {{
    {"model.vision_tower.", "vision_tower."},
    {"vision_tower.vision_tower.", "vision_tower."},
    {"vision_tower.vision_model.", "vision_tower."},
    {"model.multi_modal_projector.", "multi_modal_projector."},
    {"model.language_model.", "language_model.model."},
    {"lm_head.", "language_model.lm_head."},
    {"model.image_newline", "image_newline"},
    {"llm.", "language_model."},
    {"visual_encoder.vision_model.", "vision_tower."},
    {"projector.model.0.", "multi_modal_projector.linear_1."},
    {"projector.model.2.", "multi_modal_projector.linear_2."},
    {"model.0.", "multi_modal_projector.linear_1."},
    {"model.2.", "multi_modal_projector.linear_2."},
}};

// CLIPVisionConfig's for a vision_config that leaves keys out; LlavaConfig's own where there is no
// vision_config.
ClipVisionConfig vision_defaults(bool present) {
  ClipVisionConfig config;
  if (present) return config;
  config.hidden = 1024;
  config.feed_forward = 4096;
  config.layers = 24;
  config.heads = 16;
  config.image_size = 336;
  config.patch_size = 14;
  return config;
}

ClipVisionConfig read_clip(const Json& root) {
  const ConfigSection section(root, "vision_config");
  const std::string model_type = section.text("model_type", "clip_vision_model");
  if (model_type != "clip_vision_model") {
    section.unsupported("model_type",
                        "vision encoder " + quote(model_type) + ", expected clip_vision_model");
  }
  ClipVisionConfig config = vision_defaults(root.find("vision_config").has_value());
  read_patch_encoder(section, "quick_gelu", config);
  const std::int64_t channels = section.size("num_channels", 3);
  if (channels != 3) {
    section.unsupported("num_channels",
                        "pictures of " + std::to_string(channels) + " channels, expected 3");
  }
  return config;
}

// Layers that rows of pictures are made of: more than any model names, few enough for their memory.
constexpr std::int64_t kMostFeatureLayers = 64;

// vision_feature_layer: an index into the hidden states, of which there is one more than there are
// layers, or several; from the back where it is negative.
std::vector<std::int64_t> read_feature_layers(const ConfigSection& top, std::int64_t layers) {
  const auto value = top.find("vision_feature_layer");
  const std::int64_t states = layers + 1;
  std::vector<std::int64_t> indices = {-2};
  if (value) {
    indices = value->is_array() ? value->integers(-states, layers)
                                : std::vector{value->integer(-states, layers)};
    if (indices.empty()) value->fail("at least one layer");
    // The same one may be named twice; what is named is laid side by side all the same.
    if (std::ssize(indices) > kMostFeatureLayers) {
      value->fail("at most " + std::to_string(kMostFeatureLayers) + " layers");
    }
  }
  for (std::int64_t& index : indices) {
    if (index < 0) index += states;
    if (index < 0) top.fail("vision_feature_layer", "a layer that vision_config has", "-2");
  }
  return indices;
}

bool keeps_class_row(const ConfigSection& top) {
  const std::string strategy = top.text("vision_feature_select_strategy", "default");
  if (strategy != "default" && strategy != "full") {
    top.fail("vision_feature_select_strategy", "'default' or 'full'", quote(strategy));
  }
  return strategy == "full";
}

// The original code's name for the shape of the projector, which converted files may still carry.
std::optional<bool> read_two_layers(const ConfigSection& top) {
  const auto value = top.find("mm_projector_type");
  if (!value) return std::nullopt;
  const std::string type = value->string();
  if (type == "linear") return false;
  if (type == "mlp2x_gelu") return true;
  top.unsupported("mm_projector_type",
                  "projector " + quote(type) + ", expected one of linear, mlp2x_gelu");
}

MlpProjectionConfig read_projector(const ConfigSection& top) {
  MlpProjectionConfig config;
  config.activation = top.activation("projector_hidden_act", "gelu");
  config.bias = top.flag("multimodal_projector_bias", config.bias);
  config.two_layers = read_two_layers(top);
  return config;
}

// The reference sets image_token_id last, under the other name.
std::int32_t read_image_token(const ConfigSection& top, std::int64_t vocabulary) {
  constexpr std::int32_t kDefault = 32000;
  const auto index = read_looked_up_id(top, "image_token_index", vocabulary);
  const auto id = read_looked_up_id(top, "image_token_id", vocabulary);
  return id.value_or(index.value_or(kDefault));
}

// Pairs of height and width.
TilingConfig read_tiling(const ConfigSection& top, const ClipVisionConfig& vision) {
  TilingConfig tiling;
  tiling.side = vision.image_size;
  tiling.patches = vision.patches_per_side();
  tiling.grid = read_grid(top.find("image_grid_pinpoints"));
  for (const PictureSize& size : tiling.grid) {
    const std::string found =
        "[" + std::to_string(size.height) + ", " + std::to_string(size.width) + "]";
    if (size.height % tiling.side != 0 || size.width % tiling.side != 0) {
      top.fail("image_grid_pinpoints",
               "multiples of vision_config.image_size " + std::to_string(tiling.side), found);
    }
    if (size.height / tiling.side * (size.width / tiling.side) > limits::kTiles) {
      top.fail("image_grid_pinpoints", "at most " + std::to_string(limits::kTiles) + " tiles",
               found);
    }
  }
  return tiling;
}

// What the LLaVA models share.
ModelConfig read_any_llava(const Json& root, const std::filesystem::path& directory) {
  const ConfigSection top(root);
  const ConfigSection text_section(root, "text_config");
  const Writer writer = writer_of(top);
  ModelConfig config;
  ClipVisionConfig vision = read_clip(root);
  vision.feature_layers = read_feature_layers(top, vision.layers);
  vision.class_row = keeps_class_row(top);
  config.vision = std::move(vision);
  config.projection = read_projector(top);

  TextConfig text = read_text_config(text_section, writer, "llama");
  if (!std::holds_alternative<LlamaConfig>(text.model)) {
    text_section.unsupported("model_type", "language model " +
                                               quote(text_section.text("model_type", "")) +
                                               " in LLaVA, expected llama or mistral");
  }
  config.text = text.model;
  config.generation = read_own_generation_defaults(
      {directory, top, text_section, writer, text.vocabulary}, std::move(text.generation));
  config.prompt.image_token = read_image_token(top, text.vocabulary);
  config.prompt.chat = {"USER: <image>\n", " ASSISTANT:"};
  config.image_processor = {.named_by_file = true,
                            .transformers_5 = writer == Writer::transformers_5};
  config.renames = kRenames;
  return config;
}

// The chat formats that were trained with each language model, as the hub's pages have them.
PromptConfig::ChatFormat chat_of(const ConfigSection& text) {
  if (text.text("model_type", "llama") == "mistral") return {"[INST] <image>\n", " [/INST]"};
  return {
      "A chat between a curious human and an artificial intelligence assistant. The assistant "
      "gives helpful, detailed, and polite answers to the human's questions. USER: <image>\n",
      " ASSISTANT:"};
}

}  // namespace

ModelConfig read_llava(const Json& root, const std::filesystem::path& directory) {
  return read_any_llava(root, directory);
}

ModelConfig read_llava_next(const Json& root, const std::filesystem::path& directory) {
  ModelConfig config = read_any_llava(root, directory);
  const ConfigSection top(root);
  const auto& vision = std::get<ClipVisionConfig>(config.vision);
  if (vision.class_row) {
    top.unsupported("vision_feature_select_strategy",
                    "'full', whose class rows do not fit into a grid of tiles, expected 'default'");
  }
  TilingConfig tiling = read_tiling(top, vision);
  config.image_processor.tiling = tiling;
  config.projection =
      TiledProjectionConfig{std::get<MlpProjectionConfig>(config.projection), std::move(tiling)};
  config.prompt.chat = chat_of(ConfigSection(root, "text_config"));
  return config;
}

}  // namespace instructblip
