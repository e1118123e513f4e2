#include "language/llama/llama_layer.h"

#include <cmath>

namespace instructblip {
namespace {

nn::HeadsConfig heads_of(const LlamaConfig& config) {
  return {.query = "q_proj",
          .key = "k_proj",
          .value = "v_proj",
          .width = config.hidden,
          .heads = config.heads,
          .key_heads = config.key_value_heads,
          .head_width = config.head_dim,
          .bias = nn::bias_if(config.attention_bias)};
}

}  // namespace

LlamaLayer::LlamaLayer(const nn::Weights& weights, const LlamaConfig& config, std::int64_t index)
    : index_(index),
      attention_{.runtime = &weights.runtime(),
                 .order = nn::AttentionOrder::fused,
                 .divisor = std::sqrt(static_cast<double>(config.head_dim)),
                 .causal = true},
      before_attention_(weights / "input_layernorm", config.hidden, config.rms_norm_eps),
      before_feed_forward_(weights / "post_attention_layernorm", config.hidden,
                           config.rms_norm_eps),
      heads_(weights / "self_attn", heads_of(config)),
      output_(weights / "self_attn" / "o_proj", config.heads * config.head_dim, config.hidden,
              nn::bias_if(config.attention_bias)),
      feed_forward_(weights / "mlp", {.expand = "gate_proj",
                                      .contract = "down_proj",
                                      .times = "up_proj",
                                      .width = config.hidden,
                                      .inner = config.feed_forward,
                                      .activation = config.activation,
                                      .bias = nn::bias_if(config.mlp_bias)}) {}

nn::Sum LlamaLayer::forward(const nn::Sum& x, const nn::Rotation& rotation, const nn::Rows& rows,
                            nn::Needed needed) const {
  const nn::Heads heads = heads_(before_attention_.of(x), {&rows, index_, &rotation});
  const at::Tensor attended = nn::attend(heads, rows, index_, attention_);
  const nn::Sum h = output_(nn::needed_of(rows, needed, attended),
                            /*plus=*/nn::needed_of(rows, needed, x));
  return feed_forward_(before_feed_forward_.of(h), /*plus=*/h);
}

}  // namespace instructblip
