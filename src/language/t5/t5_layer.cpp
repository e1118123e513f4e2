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

at::Tensor T5EncoderBlock::forward(const at::Tensor& x, std::span<const at::Tensor> biases,
                                   std::span<const PromptPart> parts) const {
  const at::Tensor normed = before_attention_(x);
  const at::Tensor queries = attention_.queries(normed);
  const at::Tensor keys = attention_.keys(normed);
  const at::Tensor values = attention_.values(normed);
  const at::Tensor seen = nn::by_part(parts, 1, [&](const PromptPart& part, std::size_t i) {
    return nn::attention(part.of(queries, 2), part.of(keys, 2), part.of(values, 2),
                         with_bias(biases[i]));
  });
  const at::Tensor h = x + attention_.output(seen);
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

void T5DecoderBlock::remember(const at::Tensor& encoded, std::span<const PromptPart> parts) const {
  const at::Tensor keys = cross_.keys(encoded), values = cross_.values(encoded);  // [1, H, P, d]
  for (const PromptPart& part : parts) {
    part.state->memories.push_back(
        {part.of(keys, 2).contiguous(), part.of(values, 2).contiguous()});
  }
}

at::Tensor T5DecoderBlock::look_back(const at::Tensor& x, std::span<const at::Tensor> biases,
                                     std::span<const PromptPart> parts) const {
  const at::Tensor normed = before_self_(x);
  const at::Tensor queries = self_.queries(normed);  // [R, H, 1, d]
  const at::Tensor keys = self_.keys(normed), values = self_.values(normed);
  return self_.output(nn::by_part(parts, 0, [&](const PromptPart& part, std::size_t i) {
    const nn::KvView view = part.state->cache.append(index_, part.of(keys, 0), part.of(values, 0));
    return nn::cached_attention(part.of(queries, 0), view, with_bias(biases[i]));
  }));
}

at::Tensor T5DecoderBlock::look_at_prompt(const at::Tensor& x,
                                          std::span<const PromptPart> parts) const {
  // All hypotheses look at the same memory: they are so many queries of one attention.
  const at::Tensor queries = cross_.queries(before_cross_(x)).transpose(0, 2);  // [1, H, R, d]
  const at::Tensor seen = nn::by_part(parts, 1, [&](const PromptPart& part, std::size_t) {
    const CrossMemory& memory = part.state->memories[static_cast<std::size_t>(index_)];
    return nn::attention(part.of(queries, 2), memory.keys, memory.values, with_bias({}));
  });                                          // [1, R, H * d]
  return cross_.output(seen.transpose(0, 1));  // [R, 1, L]
}

at::Tensor T5DecoderBlock::step(const at::Tensor& x, std::span<const at::Tensor> biases,
                                std::span<const PromptPart> parts) const {
  at::Tensor h = x + look_back(x, biases, parts);
  h = h + look_at_prompt(h, parts);
  return h + feed_forward_.forward(before_feed_forward_(h));
}

}  // namespace instructblip
