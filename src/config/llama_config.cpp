#include <optional>
#include <string>

#include "config/language_families.h"
#include "config/rope_config.h"
#include "config/window_config.h"
#include "core/errors.h"

namespace instructblip {
namespace {

struct WindowRule {
  WindowMask mask;
  std::optional<std::int64_t> fallback;
};

// What all of its kind have; `config` holds the defaults.
TextConfig read_common(const ConfigSection& text, Writer writer, LlamaConfig config,
                       const WindowRule& rule) {
  config.vocabulary = text.size("vocab_size", config.vocabulary);
  config.hidden = text.size("hidden_size", config.hidden);
  config.feed_forward = text.size("intermediate_size", config.feed_forward);
  config.layers = text.layers("num_hidden_layers", config.layers);
  config.window = read_window(text, config.layers, rule.mask, rule.fallback);
  config.heads = text.heads("num_attention_heads", config.heads);
  if (text.is_null("num_key_value_heads")) config.key_value_heads = config.heads;
  config.key_value_heads = text.heads("num_key_value_heads", config.key_value_heads);
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
  read_rope(text, writer, config);
  config.activation = text.activation("hidden_act", "silu");
  config.tie_word_embeddings = text.flag("tie_word_embeddings", config.tie_word_embeddings);
  return {config, read_generation_defaults(text, {2, 1, std::nullopt}, config.vocabulary, writer),
          config.vocabulary};
}

}  // namespace

TextConfig read_llama(const ConfigSection& text, Writer writer) {
  LlamaConfig config;
  config.key_value_heads = text.heads("num_attention_heads", config.heads);
  config.attention_bias = text.flag("attention_bias", config.attention_bias);
  config.mlp_bias = text.flag("mlp_bias", config.mlp_bias);
  return read_common(text, writer, config, {WindowMask::none, std::nullopt});
}

// A LLaMA with other defaults, and a window that no published LLaVA has.
TextConfig read_mistral(const ConfigSection& text, Writer writer) {
  constexpr std::int64_t kWindow = 4096;
  LlamaConfig config;
  config.feed_forward = 14336;
  config.key_value_heads = 8;
  config.max_positions = 4096 * 32;
  return read_common(text, writer, config, {WindowMask::sliding, kWindow});
}

}  // namespace instructblip
