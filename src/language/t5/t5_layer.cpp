#include "language/t5/t5_layer.h"

#include <ATen/TensorOperators.h>

namespace instructblip {
namespace {

nn::Linear unbiased(const nn::Weights& weights, std::int64_t in, std::int64_t out) {
  return nn::Linear(weights, in, out, nn::Linear::Bias::none);
}

nn::AttentionOptions with_bias(const at::Tensor& bias) {
  return {.order = nn::AttentionOrder::composed, .bias = bias};
}

}  // namespace

T5Attention::T5Attention(const nn::Weights& weights, const T5Config& config)
    : heads_(config.heads),
      query_(unbiased(weights / "q", config.hidden, config.heads * config.key_value)),
      key_(unbiased(weights / "k", config.hidden, config.heads * config.key_value)),
      value_(unbiased(weights / "v", config.hidden, config.heads * config.key_value)),
      output_(unbiased(weights / "o", config.heads * config.key_value, config.hidden)) {}

at::Tensor T5Attention::queries(const at::Tensor& x) const {
  return nn::split_heads(query_(x), heads_);
}
at::Tensor T5Attention::keys(const at::Tensor& x) const { return nn::split_heads(key_(x), heads_); }
at::Tensor T5Attention::values(const at::Tensor& x) const {
  return nn::split_heads(value_(x), heads_);
}

T5FeedForward::T5FeedForward(const nn::Weights& weights, const T5Config& config)
    : activation_(config.activation),
      expand_(
          unbiased(weights / (config.gated ? "wi_0" : "wi"), config.hidden, config.feed_forward)),
      contract_(unbiased(weights / "wo", config.feed_forward, config.hidden)) {
  if (config.gated) gated_ = unbiased(weights / "wi_1", config.hidden, config.feed_forward);
}

at::Tensor T5FeedForward::forward(const at::Tensor& x) const {
  at::Tensor h = nn::activate(activation_, expand_(x));  // [B, T, F]
  if (gated_) h = h * (*gated_)(x);
  return contract_(h);
}

T5EncoderBlock::T5EncoderBlock(const nn::Weights& weights, const T5Config& config)
    : before_attention_(weights / "layer" / 0 / "layer_norm", config.hidden, config.layer_norm_eps),
      before_feed_forward_(weights / "layer" / 1 / "layer_norm", config.hidden,
                           config.layer_norm_eps),
      attention_(weights / "layer" / 0 / "SelfAttention", config),
      feed_forward_(weights / "layer" / 1 / "DenseReluDense", config) {}

at::Tensor T5EncoderBlock::forward(const at::Tensor& x, const at::Tensor& bias) const {
  const at::Tensor normed = before_attention_(x);
  const at::Tensor h =
      x + attention_.output(nn::attention(attention_.queries(normed), attention_.keys(normed),
                                          attention_.values(normed), with_bias(bias)));
  return h + feed_forward_.forward(before_feed_forward_(h));
}

T5DecoderBlock::T5DecoderBlock(const nn::Weights& weights, const T5Config& config,
                               std::int64_t index)
    : index_(index),
      before_self_(weights / "layer" / 0 / "layer_norm", config.hidden, config.layer_norm_eps),
      before_cross_(weights / "layer" / 1 / "layer_norm", config.hidden, config.layer_norm_eps),
      before_feed_forward_(weights / "layer" / 2 / "layer_norm", config.hidden,
                           config.layer_norm_eps),
      self_(weights / "layer" / 0 / "SelfAttention", config),
      cross_(weights / "layer" / 1 / "EncDecAttention", config),
      feed_forward_(weights / "layer" / 2 / "DenseReluDense", config) {}

T5CrossMemory T5DecoderBlock::remember(const at::Tensor& encoded) const {
  return {cross_.keys(encoded).contiguous(), cross_.values(encoded).contiguous()};
}

at::Tensor T5DecoderBlock::step(const at::Tensor& x, const at::Tensor& bias,
                                const T5CrossMemory& memory, nn::KvCache& cache) const {
  const at::Tensor normed = before_self_(x);
  const nn::KvView view = cache.append(index_, self_.keys(normed), self_.values(normed));
  at::Tensor h =
      x + self_.output(nn::cached_attention(self_.queries(normed), view, with_bias(bias)));

  // All hypotheses look at the same memory: they are so many queries of one attention.
  const at::Tensor queries = cross_.queries(before_cross_(h)).transpose(0, 2);  // [1, H, R, d]
  const at::Tensor seen = nn::attention(queries, memory.keys, memory.values, with_bias({}));
  h = h + cross_.output(seen.transpose(0, 1));  // [R, 1, L]
  return h + feed_forward_.forward(before_feed_forward_(h));
}

}  // namespace instructblip
