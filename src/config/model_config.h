// config.json as plain structs: every size the stages are built from.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "checkpoint/tensor_store.h"
#include "config/generation_defaults.h"
#include "config/image_config.h"
#include "config/language_config.h"
#include "config/tiling.h"
#include "core/dtype.h"

namespace instructblip {

// vision_config of the BLIP families: a pre-LN ViT (EVA-CLIP's ViT-g/14 in the published ones).
struct VitConfig {
  std::int64_t hidden = 1408;
  std::int64_t feed_forward = 6144;
  std::int64_t layers = 39;
  std::int64_t heads = 16;
  std::int64_t image_size = 224;
  std::int64_t patch_size = 14;
  Activation activation = Activation::gelu;
  double layer_norm_eps = 1e-6;
  double final_norm_eps = 1e-6;  // epsilon of the norm behind the last layer
  bool qkv_bias = true;

  std::int64_t patches_per_side() const { return image_size / patch_size; }
  // With CLS.
  std::int64_t positions() const { return patches_per_side() * patches_per_side() + 1; }
};

// vision_config of LLaVA: CLIP's pre-LN ViT, and which of its hidden states are the features.
struct ClipVisionConfig {
  std::int64_t hidden = 768;
  std::int64_t feed_forward = 3072;
  std::int64_t layers = 12;
  std::int64_t heads = 12;
  std::int64_t image_size = 224;
  std::int64_t patch_size = 32;
  Activation activation = Activation::quick_gelu;
  double layer_norm_eps = 1e-5;
  // vision_feature_layer, counted from the front: 0 is the normed embedding, k the output of layer
  // k of `layers`. Several are put side by side on the channel axis.
  std::vector<std::int64_t> feature_layers = {11};
  bool class_row = false;  // vision_feature_select_strategy "full" keeps it, "default" drops it

  std::int64_t patches_per_side() const { return image_size / patch_size; }
  // Rows of the position table, CLS included.
  std::int64_t positions() const { return patches_per_side() * patches_per_side() + 1; }
  // Width of the features.
  std::int64_t width() const { return hidden * static_cast<std::int64_t>(feature_layers.size()); }
};

// The vision encoders that can be run: a struct each.
using VisionConfig = std::variant<VitConfig, ClipVisionConfig>;

// qformer_config: a post-LN BERT whose queries cross-attend to the image in every n-th layer.
struct QFormerConfig {
  std::int64_t vocabulary = 30522;
  std::int64_t hidden = 768;
  std::int64_t layers = 12;
  std::int64_t heads = 12;
  std::int64_t feed_forward = 3072;
  std::int64_t max_positions = 512;
  std::int64_t cross_attention_every = 2;
  std::int64_t encoder_hidden = 1408;  // always the vision width; a stored value is overwritten
  std::int64_t queries = 32;           // num_query_tokens of the top level
  Activation activation = Activation::gelu;
  double layer_norm_eps = 1e-12;
  // Whether the instruction goes in beside the queries, as in InstructBLIP. BLIP-2's queries are
  // alone.
  bool reads_instruction = true;
};

// One linear layer from the Q-Former to the language model: the BLIP families.
struct LinearProjectionConfig {};

// LLaVA's: a linear layer, an activation, another linear layer; the first model had one layer only.
struct MlpProjectionConfig {
  Activation activation = Activation::gelu;
  bool bias = true;
  std::optional<bool> two_layers = {};  // none: as many as the checkpoint holds
};

// LLaVA-NeXT's: the same for each tile, and a learned row behind each row of positions.
struct TiledProjectionConfig {
  MlpProjectionConfig mlp;
  TilingConfig tiling;
};

// What brings visual rows to the language model's width: a struct each.
using ProjectionConfig =
    std::variant<LinearProjectionConfig, MlpProjectionConfig, TiledProjectionConfig>;

// So many tokens of a text are read, special ones included, which stay; the rest is cut off.
struct TokenLimit {
  std::int64_t tokens;
  std::int64_t before, after;  // special tokens
  bool keeps_end = false;      // the beginning of the text is cut off
};

// What a prompt is made of.
struct PromptConfig {
  // The text that stands for a picture, and its id; no id in directories written before late 2024.
  std::string image_marker = "<image>";
  std::optional<std::int32_t> image_token;
  // A request's pictures are the frames of one video, in the order of time, any number of them.
  bool pictures_are_frames = false;
  // The instruction may be left out: an empty one means none.
  bool optional = false;
  // Then the language model's bos, if it has one, stands in its place; else it is read as a text.
  bool bos_alone = false;
  // Whether texts are cut as the tokenizer's files have it, to a TextLength.
  bool cuts_as_tokenizer = true;
  std::optional<TokenLimit> qformer_limit, language_limit;  // none: too long a text is refused
  // How an answer's ids become text where it is not as the tokenizer's files say.
  std::optional<bool> clean_up_spaces;  // before punctuation
  bool by_sentencepiece = false;        // the library; it reads instructions, too
  bool newline_ends = false;  // an answer ends with the tokenizer's newline, and with nothing else
  // Where there is one, pictures stand where the instruction has their marker, and an instruction
  // without any is put between these two; else pictures come first and a marker is refused.
  struct ChatFormat {
    std::string before, after;
  };
  std::optional<ChatFormat> chat;
};

// The type to which a tensor's values are rounded before anything is computed with them; none: they
// stay as they are stored. By the names under which the stages look for weights.
using RoundedTo = std::optional<DType> (*)(std::string_view tensor);

struct ModelConfig {
  std::string model_type;  // "instructblip", "instructblipvideo", "blip-2", "llava", "llava_next"
  VisionConfig vision;
  std::optional<QFormerConfig> qformer;  // none: visual rows go to the projection as they are
  ProjectionConfig projection;
  LanguageConfig text;
  TextGenerationDefaults generation;
  PromptConfig prompt;
  ImageProcessorRules image_processor;
  std::span<const TensorRename> renames;  // to the names under which the stages look for weights
  RoundedTo rounded_to = nullptr;         // null: nothing is rounded
};

// Reads and checks config.json of `directory`. Missing keys take the defaults of
// transformers 4.57.3's config classes, since writers leave out what equals them. Throws Error:
// not_found, bad_model, unsupported (model_type, activation, ...), naming the JSON path, what was
// expected and what was found.
ModelConfig read_model_config(const std::filesystem::path& directory);

}  // namespace instructblip
