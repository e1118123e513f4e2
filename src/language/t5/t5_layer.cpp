#include "language/t5/t5_layer.h"

#include <optional>

namespace instructblip {
namespace {

nn::HeadsConfig heads_of(const T5Config& config, T5Attention::Over over) {
  const bool cross = over == T5Attention::Over::memory;
  return {.query = "q",
          .key = "k",
          .value = "v",
          .width = config.hidden,
          .memory_width = cross ? std::optional(config.hidden) : std::nullopt,
          .heads = config.heads,
          .key_heads = config.heads,
          .head_width = config.key_value,
          .bias = nn::Linear::Bias::none};
}

nn::AttentionOptions options_of(const nn::Weights& weights) {
  return {.runtime = &weights.runtime(), .order = nn::AttentionOrder::composed};
}

nn::FeedForward read_feed_forward(const nn::Weights& weights, const T5Config& config) {
  return nn::FeedForward(weights / "DenseReluDense", {.expand = config.gated ? "wi_0" : "wi",
                                                      .contract = "wo",
                                                      .times = config.gated ? "wi_1" : "",
                                                      .width = config.hidden,
                                                      .inner = config.feed_forward,
                                                      .activation = config.activation,
                                                      .bias = nn::Linear::Bias::none});
}

}  // namespace

T5Attention::T5Attention(const nn::Weights& weights, const T5Config& config, Over over)
    : heads(weights, heads_of(config, over)),
      output(weights / "o", config.heads * config.key_value, config.hidden,
             nn::Linear::Bias::none) {}

T5EncoderBlock::T5EncoderBlock(const nn::Weights& weights, const T5Config& config)
    : options_(options_of(weights)),
      before_attention_(weights / "layer" / 0 / "layer_norm", config.hidden, config.layer_norm_eps),
      before_feed_forward_(weights / "layer" / 1 / "layer_norm", config.hidden,
                           config.layer_norm_eps),
      attention_(weights / "layer" / 0 / "SelfAttention", config, T5Attention::Over::itself),
      feed_forward_(read_feed_forward(weights / "layer" / 1, config)) {}

nn::Sum T5EncoderBlock::forward(const nn::Sum& x, const nn::Rows& rows) const {
  const nn::Heads heads = attention_.heads(before_attention_.of(x));
  const nn::Sum h = attention_.output(nn::attend(heads, rows, 0, options_), /*plus=*/x);
  return feed_forward_(before_feed_forward_.of(h), /*plus=*/h);
}

T5DecoderBlock::T5DecoderBlock(const nn::Weights& weights, const T5Config& config,
                               std::int64_t index)
    : index_(index),
      options_(options_of(weights)),
      before_self_(weights / "layer" / 0 / "layer_norm", config.hidden, config.layer_norm_eps),
      before_cross_(weights / "layer" / 1 / "layer_norm", config.hidden, config.layer_norm_eps),
      before_feed_forward_(weights / "layer" / 2 / "layer_norm", config.hidden,
                           config.layer_norm_eps),
      self_(weights / "layer" / 0 / "SelfAttention", config, T5Attention::Over::itself),
      cross_(weights / "layer" / 1 / "EncDecAttention", config, T5Attention::Over::memory),
      feed_forward_(read_feed_forward(weights / "layer" / 2, config)) {}

void T5DecoderBlock::remember(const at::Tensor& encoded, const nn::Rows& memory) const {
  nn::remember(cross_.heads.memory_of(encoded), memory, index_);
}

nn::Sum T5DecoderBlock::forward(const nn::Sum& x, const nn::Rows& rows,
                                const nn::Rows& memory) const {
  const nn::Heads own = self_.heads(before_self_.of(x), {&rows, index_});
  nn::Sum h = self_.output(nn::attend(own, rows, index_, options_), /*plus=*/x);
  const nn::Heads queries = cross_.heads.queries_of(before_cross_.of(h));
  h = cross_.output(nn::attend(queries, memory, index_, options_), /*plus=*/h);
  return feed_forward_(before_feed_forward_.of(h), /*plus=*/h);
}

}  // namespace instructblip
