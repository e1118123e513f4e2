// config.json as plain structs: every size the stages are built from.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "checkpoint/generation_defaults.h"
#include "checkpoint/image_config.h"
#include "checkpoint/tensor_store.h"
#include "checkpoint/tiling.h"

namespace instructblip {

// The activation functions that hub configs name; formulas in nn/activation.h.
enum class Activation { gelu, gelu_new, linear, quick_gelu, relu, silu };

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
  // Of the features.
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

// text_config of an encoder-decoder language model (Flan-T5).
struct T5Config {
  std::int64_t vocabulary = 32128;
  std::int64_t hidden = 512;
  std::int64_t key_value = 64;  // per head; heads x key_value need not equal hidden
  std::int64_t feed_forward = 2048;
  std::int64_t encoder_layers = 6;
  std::int64_t decoder_layers = 6;
  std::int64_t heads = 8;
  std::int64_t relative_buckets = 32;
  std::int64_t relative_max_distance = 128;
  double layer_norm_eps = 1e-6;
  Activation activation = Activation::relu;
  bool gated = false;
  // True: the embedding is the head, even where the file holds another lm_head, which the reference
  // then overwrites. False: lm_head of the file, and the embedding only where it has none.
  // Directories written by transformers 5 always read as false: there a stored lm_head wins.
  bool tie_word_embeddings = true;
  bool scale_decoder_output = true;  // multiply by hidden^-0.5 before the head
  std::int32_t decoder_start = 0;
};

// text_config of a decoder-only language model (Vicuna, Mistral).
struct LlamaConfig {
  std::int64_t vocabulary = 32000;
  std::int64_t hidden = 4096;
  std::int64_t feed_forward = 11008;
  std::int64_t layers = 32;
  std::int64_t heads = 32;
  std::int64_t key_value_heads = 32;
  std::int64_t head_dim = 128;
  std::int64_t max_positions = 2048;
  double rms_norm_eps = 1e-6;
  double rope_theta = 10000.0;
  Activation activation = Activation::silu;
  bool attention_bias = false;
  bool mlp_bias = false;
  bool tie_word_embeddings = false;  // true: the embedding is the head, whatever the file holds
  // Positions that a token sees, itself included, where Mistral slides a window over them: no more
  // are run.
  std::optional<std::int64_t> window;
};

// text_config of OPT, the decoder-only language model of BLIP-2.
struct OptConfig {
  std::int64_t vocabulary = 50272;
  std::int64_t hidden = 768;
  std::int64_t feed_forward = 3072;
  std::int64_t layers = 12;
  std::int64_t heads = 12;
  std::int64_t max_positions = 2048;  // prompt and new tokens; the table has two rows more
  std::int64_t embedding_width = 768;
  Activation activation = Activation::relu;
  bool norm_before = true;          // of each sub-layer; else behind its residual sum
  bool final_norm = true;           // behind the last layer
  bool norm_affine = true;          // norms have a weight and a bias
  bool bias = true;                 // linear layers have one
  bool tie_word_embeddings = true;  // the embedding is the head, whatever the file holds
};

// The language models that can be run: a struct each.
using LanguageConfig = std::variant<T5Config, LlamaConfig, OptConfig>;

// What a prompt is made of.
struct PromptConfig {
  // The text that stands for a picture, and its id; no id in directories written before late 2024.
  std::string image_marker = "<image>";
  std::optional<std::int32_t> image_token;
  // A request's pictures are the frames of one video, in the order of time, any number of them.
  bool pictures_are_frames = false;
  // An empty instruction means none: the language model's bos, if it has one, stands in its place.
  bool bos_alone = false;
  // Where there is one, pictures stand where the instruction has their marker, and an instruction
  // without any is put between these two; else pictures come first and a marker is refused.
  struct ChatFormat {
    std::string before, after;
  };
  std::optional<ChatFormat> chat;
};

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
};

// Reads and checks config.json of `directory`. Missing keys take the defaults of
// transformers 4.57.3's config classes, since writers leave out what equals them. Throws Error:
// not_found, bad_model, unsupported (model_type, activation, ...), naming the JSON path, what was
// expected and what was found.
ModelConfig read_model_config(const std::filesystem::path& directory);

}  // namespace instructblip
