#include <string>

#include "config/language_families.h"
#include "config/window_config.h"

namespace instructblip {

TextConfig read_opt(const ConfigSection& text, Writer writer) {
  OptConfig config;
  config.vocabulary = text.size("vocab_size", config.vocabulary);
  config.hidden = text.size("hidden_size", config.hidden);
  config.feed_forward = text.size("ffn_dim", config.feed_forward);
  config.layers = text.layers("num_hidden_layers", config.layers);
  refuse_window(text, config.layers);
  config.heads = text.heads("num_attention_heads", config.heads);
  if (config.hidden % config.heads != 0) {
    text.fail("num_attention_heads", "a divisor of hidden_size " + std::to_string(config.hidden),
              std::to_string(config.heads));
  }
  config.max_positions = text.size("max_position_embeddings", config.max_positions);
  config.embedding_width = text.size("word_embed_proj_dim", config.hidden);
  if (config.embedding_width > config.hidden) {
    text.unsupported("word_embed_proj_dim",
                     "embeddings of width " + std::to_string(config.embedding_width) +
                         ", expected at most hidden_size " + std::to_string(config.hidden) +
                         ", which visual rows have");
  }
  config.activation = text.activation("activation_function", "relu");
  config.norm_before = text.flag("do_layer_norm_before", config.norm_before);
  // Kept by checkpoints that were tuned with an early release of the reference.
  config.final_norm = config.norm_before && !text.flag("_remove_final_layer_norm", false);
  config.norm_affine = text.flag("layer_norm_elementwise_affine", config.norm_affine);
  config.bias = text.flag("enable_bias", config.bias);
  config.tie_word_embeddings = text.flag("tie_word_embeddings", config.tie_word_embeddings);
  return {config, read_generation_defaults(text, {2, 2, 1}, config.vocabulary, writer),
          config.vocabulary};
}

}  // namespace instructblip
