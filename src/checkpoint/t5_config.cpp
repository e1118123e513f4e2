#include <string>

#include "checkpoint/language_families.h"
#include "core/errors.h"

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

}  // namespace

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

}  // namespace instructblip
