#include "checkpoint/text_config.h"

#include <array>
#include <cmath>
#include <utility>

#include "core/errors.h"
#include "core/limits.h"

namespace instructblip {
namespace {

// transformers/models/t5/configuration_t5.py, attribute_map: the general name, where a file has it,
// is applied after T5's own and wins.
std::int64_t size_or_alias(const ConfigSection& text, std::string_view alias, std::string_view own,
                           std::int64_t fallback) {
  return text.size(alias, text.size(own, fallback));
}

// feed_forward_proj is "<activation>" or "gated-<activation>", where "gated-gelu" means gelu_new;
// dense_act_fn and is_gated_act, where present, are applied afterwards and win.
void read_t5_activation(const ConfigSection& text, T5Config& config) {
  const std::string projection = text.text("feed_forward_proj", "relu");
  const auto dash = projection.find('-');
  const std::string prefix = projection.substr(0, dash);
  std::string name = dash == std::string::npos ? projection : projection.substr(dash + 1);
  if (name.find('-') != std::string::npos || (dash != std::string::npos && prefix != "gated")) {
    text.fail("feed_forward_proj", "'<activation>' or 'gated-<activation>'", quote(projection));
  }
  if (projection == "gated-gelu") name = "gelu_new";
  config.gated = text.flag("is_gated_act", dash != std::string::npos);
  config.activation = text.find("dense_act_fn") ? text.activation("dense_act_fn", name)
                                                : text.activation_named("feed_forward_proj", name);
}

// Where the writer was transformers 5, tie_word_embeddings is true whatever the model, and
// scale_decoder_outputs, which it always writes, says what the old key used to say.
void read_t5_head(const ConfigSection& text, T5Config& config) {
  const bool tied = text.flag("tie_word_embeddings", true);
  const bool is_new = text.find("scale_decoder_outputs").has_value();
  config.scale_decoder_output = text.flag("scale_decoder_outputs", tied);
  config.tie_word_embeddings = is_new ? false : tied;
}

std::int32_t read_decoder_start(const ConfigSection& text, const T5Config& config,
                                const TextGenerationDefaults& generation) {
  const auto start = read_token_id(text, "decoder_start_token_id", config.vocabulary);
  if (start) return *start;
  if (generation.bos) return *generation.bos;
  text.fail("decoder_start_token_id", "the id that decoding starts from (0 for T5)", "none");
}

TextConfig read_t5(const ConfigSection& text, Writer writer) {
  T5Config config;
  config.vocabulary = text.size("vocab_size", config.vocabulary);
  config.hidden = size_or_alias(text, "hidden_size", "d_model", config.hidden);
  config.key_value = size_or_alias(text, "head_dim", "d_kv", config.key_value);
  config.feed_forward = text.size("d_ff", config.feed_forward);
  config.encoder_layers = text.layers("num_layers", config.encoder_layers);
  config.decoder_layers = text.layers("num_decoder_layers", config.encoder_layers);
  config.encoder_layers = text.layers("num_hidden_layers", config.encoder_layers);
  config.heads = text.heads("num_attention_heads", text.heads("num_heads", config.heads));
  config.relative_buckets = text.size("relative_attention_num_buckets", config.relative_buckets);
  config.relative_max_distance =
      text.size("relative_attention_max_distance", config.relative_max_distance);
  // Half of the buckets, a quarter in the encoder, hold one distance each; the rest share what lies
  // between there and the longest distance on a logarithmic scale.
  if (config.relative_buckets < 4) {
    text.fail("relative_attention_num_buckets", "at least 4",
              std::to_string(config.relative_buckets));
  }
  if (config.relative_max_distance <= config.relative_buckets / 2) {
    text.fail("relative_attention_max_distance", "more than half of the buckets",
              std::to_string(config.relative_max_distance));
  }
  config.layer_norm_eps = text.positive("layer_norm_epsilon", config.layer_norm_eps);
  read_t5_activation(text, config);
  read_t5_head(text, config);
  TextGenerationDefaults generation =
      read_generation_defaults(text, {1, std::nullopt, 0}, config.vocabulary, writer);
  // For an encoder-decoder the reference copies null over its own default of 50: no limit.
  if (writer == Writer::transformers_4 && text.is_null("top_k")) generation.top_k = 0;
  config.decoder_start = read_decoder_start(text, config, generation);
  return {config, generation, config.vocabulary};
}

// The base of the rotary frequencies: rope_theta, or inside rope_parameters (transformers 5).
double read_rope_theta(const ConfigSection& text, double fallback) {
  const double theta = text.positive("rope_theta", fallback);
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    const auto rope = text.find(key);
    if (!rope) continue;
    const auto type = rope->find("rope_type") ? rope->find("rope_type") : rope->find("type");
    if (type && type->string() != "default") {
      text.unsupported(
          key, "rotary positions of type " + quote(type->string()) + ", expected 'default'");
    }
  }
  if (text.positive("partial_rotary_factor", 1.0) != 1.0) {
    text.unsupported("partial_rotary_factor", "rotary positions on a part of each head");
  }
  const auto parameters = text.find("rope_parameters");
  const auto inner = parameters ? parameters->find("rope_theta") : std::nullopt;
  if (!inner) return theta;
  if (inner->number() <= 0.0) inner->fail("a number above 0");
  return inner->number();
}

TextConfig read_llama(const ConfigSection& text, Writer writer) {
  LlamaConfig config;
  config.vocabulary = text.size("vocab_size", config.vocabulary);
  config.hidden = text.size("hidden_size", config.hidden);
  config.feed_forward = text.size("intermediate_size", config.feed_forward);
  config.layers = text.layers("num_hidden_layers", config.layers);
  config.heads = text.heads("num_attention_heads", config.heads);
  config.key_value_heads = text.heads("num_key_value_heads", config.heads);
  if (config.heads % config.key_value_heads != 0) {
    text.fail("num_key_value_heads",
              "a divisor of num_attention_heads " + std::to_string(config.heads),
              std::to_string(config.key_value_heads));
  }
  if (!text.find("head_dim") && config.hidden % config.heads != 0) {
    text.fail("num_attention_heads", "a divisor of hidden_size " + std::to_string(config.hidden),
              std::to_string(config.heads));
  }
  config.head_dim = text.size("head_dim", config.hidden / config.heads);
  if (config.head_dim % 2 != 0) {
    text.fail("head_dim", "an even number, as rotary positions turn pairs",
              std::to_string(config.head_dim));
  }
  config.max_positions = text.size("max_position_embeddings", config.max_positions);
  config.rms_norm_eps = text.positive("rms_norm_eps", config.rms_norm_eps);
  config.rope_theta = read_rope_theta(text, config.rope_theta);
  config.activation = text.activation("hidden_act", "silu");
  config.attention_bias = text.flag("attention_bias", config.attention_bias);
  config.mlp_bias = text.flag("mlp_bias", config.mlp_bias);
  config.tie_word_embeddings = text.flag("tie_word_embeddings", config.tie_word_embeddings);
  return {config, read_generation_defaults(text, {2, 1, std::nullopt}, config.vocabulary, writer),
          config.vocabulary};
}

struct LanguageFamily {
  std::string_view model_type;
  TextConfig (*read)(const ConfigSection&, Writer);
};

constexpr std::array<LanguageFamily, 2> kFamilies = {{{"llama", read_llama}, {"t5", read_t5}}};

}  // namespace

TextConfig read_text_config(const ConfigSection& text, Writer writer) {
  constexpr const char* kMissing = "opt";  // the reference's reading of a missing key
  const std::string model_type = text.text("model_type", kMissing);
  std::string known;
  for (const LanguageFamily& family : kFamilies) {
    if (family.model_type == model_type) return family.read(text, writer);
    known += (known.empty() ? "" : ", ") + std::string(family.model_type);
  }
  text.unsupported("model_type",
                   "language model " + quote(model_type) +
                       (text.find("model_type") ? "" : " (what a missing key means)") +
                       ", expected one of " + known);
}

}  // namespace instructblip
