#include "language/opt/opt_layer.h"

#include <cmath>

namespace instructblip {
namespace {

constexpr double kLayerNormEps = 1e-5;  // no key of config.json changes it

nn::HeadsConfig heads_of(const OptConfig& config) {
  const std::int64_t head_width = config.hidden / config.heads;
  return {.query = "q_proj",
          .key = "k_proj",
          .value = "v_proj",
          .width = config.hidden,
          .heads = config.heads,
          .key_heads = config.heads,
          .head_width = head_width,
          .bias = nn::bias_if(config.bias)};
}

}  // namespace

nn::LayerNorm opt_norm(const nn::Weights& weights, const OptConfig& config) {
  return config.norm_affine ? nn::LayerNorm(weights, config.hidden, kLayerNormEps)
                            : nn::LayerNorm(weights.runtime(), kLayerNormEps);
}

OptLayer::OptLayer(const nn::Weights& weights, const OptConfig& config, std::int64_t index)
    : index_(index),
      attention_{.runtime = &weights.runtime(),
                 .order = nn::AttentionOrder::fused,
                 // The reference scales the queries, not the scores: other roundings.
                 .query_scale = std::pow(static_cast<double>(config.hidden / config.heads), -0.5),
                 .causal = true},
      heads_(weights / "self_attn", heads_of(config)),
      output_(weights / "self_attn" / "out_proj", config.hidden, config.hidden,
              nn::bias_if(config.bias)),
      feed_forward_(weights, {.expand = "fc1",
                              .contract = "fc2",
                              .width = config.hidden,
                              .inner = config.feed_forward,
                              .activation = config.activation,
                              .bias = nn::bias_if(config.bias)}) {
  const nn::OptionalNorm of_attention(opt_norm(weights / "self_attn_layer_norm", config));
  const nn::OptionalNorm of_feed_forward(opt_norm(weights / "final_layer_norm", config));
  (config.norm_before ? before_attention_ : after_attention_) = of_attention;
  (config.norm_before ? before_feed_forward_ : after_feed_forward_) = of_feed_forward;
}

nn::Sum OptLayer::forward(const nn::Sum& x, const nn::Rows& rows, nn::Needed needed) const {
  const nn::Heads heads = heads_(before_attention_.of(x), {&rows, index_});
  const at::Tensor attended = nn::attend(heads, rows, index_, attention_);
  const nn::Sum h = after_attention_(output_(nn::needed_of(rows, needed, attended),
                                             /*plus=*/nn::needed_of(rows, needed, x)));
  return after_feed_forward_(feed_forward_(before_feed_forward_.of(h), /*plus=*/h));
}

}  // namespace instructblip
