#include "vision/pre_norm_layer.h"

#include <cmath>

namespace instructblip {
namespace {

template <typename Config>
nn::AttentionOptions attention_of(const nn::Weights& weights, const Config& config) {
  return {.runtime = &weights.runtime(),
          .order = nn::AttentionOrder::fused,
          .divisor = std::sqrt(static_cast<double>(config.hidden / config.heads))};
}

template <typename Config>
nn::FeedForwardConfig feed_forward_of(const Config& config) {
  return {.expand = "fc1",
          .contract = "fc2",
          .width = config.hidden,
          .inner = config.feed_forward,
          .activation = config.activation};
}

nn::HeadsConfig heads_of(const VitConfig& config) {
  return {.query = "qkv",
          .width = config.hidden,
          .heads = config.heads,
          .key_heads = config.heads,
          .head_width = config.hidden / config.heads,
          .bias = nn::bias_if(config.qkv_bias)};
}

nn::HeadsConfig heads_of(const ClipVisionConfig& config) {
  return {.query = "q_proj",
          .key = "k_proj",
          .value = "v_proj",
          .width = config.hidden,
          .heads = config.heads,
          .key_heads = config.heads,
          .head_width = config.hidden / config.heads};
}

}  // namespace

template <typename Config>
PreNormLayer::PreNormLayer(const nn::Weights& weights, const Config& config,
                           std::string_view output)
    : attention_(attention_of(weights, config)),
      before_attention_(weights / "layer_norm1", config.hidden, config.layer_norm_eps),
      before_feed_forward_(weights / "layer_norm2", config.hidden, config.layer_norm_eps),
      heads_(weights / "self_attn", heads_of(config)),
      output_(weights / "self_attn" / output, config.hidden, config.hidden),
      feed_forward_(weights / "mlp", feed_forward_of(config)) {}

PreNormLayer::PreNormLayer(const nn::Weights& weights, const VitConfig& config)
    : PreNormLayer(weights, config, "projection") {}

PreNormLayer::PreNormLayer(const nn::Weights& weights, const ClipVisionConfig& config)
    : PreNormLayer(weights, config, "out_proj") {}

nn::Sum PreNormLayer::forward(const nn::Sum& x) const {
  const at::Tensor attended = nn::attend(heads_(before_attention_.of(x)), attention_);
  const nn::Sum h = output_(attended, /*plus=*/x);
  return feed_forward_(before_feed_forward_.of(h), /*plus=*/h);
}

}  // namespace instructblip
