#include "qformer/qformer_layer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>

#include <cmath>

namespace instructblip {

QFormerAttention::QFormerAttention(const nn::Weights& weights, const QFormerConfig& config,
                                   std::int64_t memory_width)
    : heads_(config.heads),
      options_{.order = nn::AttentionOrder::composed,
               .divisor = std::sqrt(static_cast<double>(config.hidden / config.heads))},
      query_(weights / "attention" / "query", config.hidden, config.hidden),
      key_(weights / "attention" / "key", memory_width, config.hidden),
      value_(weights / "attention" / "value", memory_width, config.hidden),
      output_(weights / "output" / "dense", config.hidden, config.hidden),
      norm_(weights / "output" / "LayerNorm", config.hidden, config.layer_norm_eps) {}

at::Tensor QFormerAttention::forward(const at::Tensor& x, const at::Tensor& memory) const {
  const at::Tensor queries = nn::split_heads(query_(x), heads_);      // [B, H, q, D / H]
  const at::Tensor keys = nn::split_heads(key_(memory), heads_);      // [B, H, k, D / H]
  const at::Tensor values = nn::split_heads(value_(memory), heads_);  // [B, H, k, D / H]
  return norm_(output_(nn::attention(queries, keys, values, options_)) + x);
}

QFormerFeedForward::QFormerFeedForward(const nn::Weights& intermediate, const nn::Weights& output,
                                       const QFormerConfig& config)
    : activation_(config.activation),
      expand_(intermediate / "dense", config.hidden, config.feed_forward),
      contract_(output / "dense", config.feed_forward, config.hidden),
      norm_(output / "LayerNorm", config.hidden, config.layer_norm_eps) {}

at::Tensor QFormerFeedForward::forward(const at::Tensor& x) const {
  return norm_(contract_(nn::activate(activation_, expand_(x))) + x);
}

QFormerLayer::QFormerLayer(const nn::Weights& weights, const QFormerConfig& config,
                           std::int64_t index)
    : num_queries_(config.queries),
      self_attention_(weights / "attention", config, config.hidden),
      query_feed_forward_(weights / "intermediate_query", weights / "output_query", config) {
  if (config.reads_instruction) {
    text_feed_forward_.emplace(weights / "intermediate", weights / "output", config);
  }
  if (index % config.cross_attention_every == 0) {
    cross_attention_.emplace(weights / "crossattention", config, config.encoder_hidden);
  }
}

at::Tensor QFormerLayer::forward(const at::Tensor& x, const at::Tensor& visual) const {
  // Queries and instruction tokens attend to each other: the instruction-aware step.
  const at::Tensor h = self_attention_.forward(x, x);  // [B, Q + T, D]

  // Only the queries look at the image.
  at::Tensor queries = h.narrow(1, 0, num_queries_);                           // [B, Q, D]
  if (cross_attention_) queries = cross_attention_->forward(queries, visual);  // [B, Q, D]
  queries = query_feed_forward_.forward(queries);
  if (h.size(1) == num_queries_) return queries;

  const at::Tensor text = h.narrow(1, num_queries_, h.size(1) - num_queries_);  // [B, T, D]
  return at::cat({queries, text_feed_forward_->forward(text)}, 1);
}

at::Tensor QFormerLayer::forward_text(const at::Tensor& x) const {
  return text_feed_forward_->forward(self_attention_.forward(x, x));
}

}  // namespace instructblip
