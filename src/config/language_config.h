// text_config of config.json as plain structs: one for each language model that can be run.
#pragma once

#include <cstdint>
#include <optional>
#include <variant>

namespace instructblip {

// The activation functions that hub configs name; formulas in nn/activation.h.
enum class Activation { gelu, gelu_new, linear, quick_gelu, relu, silu };

// text_config of an encoder-decoder language model (Flan-T5, mT5).
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

// How rotary frequencies differ from theta^(-2j/d), so that texts may be longer than those a model
// was first trained on.
struct RopeScaling {
  enum class Type {
    none,
    linear,   // all divided by `factor`
    dynamic,  // a larger theta, the longer the text is beyond `original_positions`
    llama3,   // low ones divided by `factor`, high ones kept, those between blended
  };
  Type type = Type::none;
  double factor = 1.0;
  // llama3: wavelengths above original_positions / low_factor are low frequencies, those below
  // original_positions / high_factor high ones.
  double low_factor = 1.0, high_factor = 4.0;
  std::int64_t original_positions = 0;  // llama3, dynamic

  bool operator==(const RopeScaling&) const = default;
};

// text_config of a decoder-only language model (Vicuna, LLaMA 3, Mistral).
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
  RopeScaling rope_scaling;
  Activation activation = Activation::silu;
  bool attention_bias = false;
  bool mlp_bias = false;
  bool tie_word_embeddings = false;  // true: the embedding is the head, whatever the file holds
  // Set: only so many tokens, the first ones, can be answered with.
  std::optional<std::int64_t> answer_rows;
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
  bool norm_before = true;          // in front of each sub-layer; else behind its residual sum
  bool final_norm = true;           // behind the last layer
  bool norm_affine = true;          // norms have a weight and a bias
  bool bias = true;                 // linear layers have one
  bool tie_word_embeddings = true;  // the embedding is the head, whatever the file holds
};

// The language models that can be run: a struct each.
using LanguageConfig = std::variant<T5Config, LlamaConfig, OptConfig>;

}  // namespace instructblip
