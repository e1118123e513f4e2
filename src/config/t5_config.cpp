#include <optional>
#include <string>
#include <variant>

#include "config/language_families.h"
#include "config/window_config.h"
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
void read_activation(const ConfigSection& text, const char* fallback, T5Config& config) {
  const std::string projection = text.text("feed_forward_proj", fallback);
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
  // Null is none of the reference's defaults, but false.
  const bool tied = !text.is_null("tie_word_embeddings") && text.flag("tie_word_embeddings", true);
  const bool is_new = text.find("scale_decoder_outputs").has_value();
  config.scale_decoder_output = text.flag("scale_decoder_outputs", tied);
  config.tie_word_embeddings = is_new ? false : tied;
}

// Version 5 says that the head of every mT5 is tied, keeps a stored one all the same, and scales
// nothing.
void read_mt5_head(const ConfigSection& text, Writer writer, T5Config& config) {
  const bool tied = writer == Writer::transformers_4 && text.flag("tie_word_embeddings", false);
  config.tie_word_embeddings = config.scale_decoder_output = tied;
}

// `fallback` is what a missing key means, where it means anything.
std::int32_t read_decoder_start(const ConfigSection& text, const TextConfig& config,
                                std::optional<std::int32_t> fallback) {
  auto start = read_token_id(text, "decoder_start_token_id", config.vocabulary);
  if (!start && !text.is_null("decoder_start_token_id")) start = fallback;
  if (start) return *start;
  const std::optional<std::int32_t>& bos = config.generation.bos;
  if (bos && *bos < config.vocabulary) return *bos;
  text.fail("decoder_start_token_id", "the id that decoding starts from (0 for T5)", "none");
}

// What both have; `config` holds the defaults.
void read_common(const ConfigSection& text, T5Config& config) {
  config.vocabulary = text.size("vocab_size", config.vocabulary);
  config.hidden = size_or_alias(text, "hidden_size", "d_model", config.hidden);
  config.key_value = size_or_alias(text, "head_dim", "d_kv", config.key_value);
  config.feed_forward = text.size("d_ff", config.feed_forward);
  config.encoder_layers = text.layers("num_layers", config.encoder_layers);
  config.decoder_layers = text.layers("num_decoder_layers", config.encoder_layers);
  config.encoder_layers = text.layers("num_hidden_layers", config.encoder_layers);
  refuse_window(text, config.decoder_layers);
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
  if (text.flag("tie_encoder_decoder", false)) {
    throw Error(ErrorCode::unsupported,
                text.where("tie_encoder_decoder") + ": expected false, got true");
  }
  config.layer_norm_eps = text.positive("layer_norm_epsilon", config.layer_norm_eps);
}

// The whole of it, where all but the decoder's first token has been read.
TextConfig finish(const ConfigSection& text, Writer writer, T5Config config,
                  std::optional<std::int32_t> decoder_start) {
  TextGenerationDefaults generation =
      read_generation_defaults(text, {1, std::nullopt, 0}, config.vocabulary, writer);
  // For an encoder-decoder the reference copies null over its own default of 50: no limit.
  if (writer == Writer::transformers_4 && text.is_null("top_k")) generation.top_k = 0;
  TextConfig whole{config, generation, config.vocabulary};
  std::get<T5Config>(whole.model).decoder_start = read_decoder_start(text, whole, decoder_start);
  return whole;
}

}  // namespace

TextConfig read_t5(const ConfigSection& text, Writer writer) {
  T5Config config;
  read_common(text, config);
  read_activation(text, "relu", config);
  read_t5_head(text, config);
  return finish(text, writer, config, std::nullopt);
}

// A T5 1.1 of many languages, with other defaults.
TextConfig read_mt5(const ConfigSection& text, Writer writer) {
  T5Config config;
  config.vocabulary = 250112;
  config.feed_forward = 1024;
  config.encoder_layers = 8;
  config.heads = 6;
  read_common(text, config);
  read_activation(text, "gated-gelu", config);
  read_mt5_head(text, writer, config);
  return finish(text, writer, config, 0);
}

}  // namespace instructblip
