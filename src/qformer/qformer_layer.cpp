#include "qformer/qformer_layer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>

#include <cmath>
#include <vector>

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

QFormerAttention::Heads QFormerAttention::heads(const at::Tensor& x,
                                                const at::Tensor& memory) const {
  return {nn::split_heads(query_(x), heads_), nn::split_heads(key_(memory), heads_),
          nn::split_heads(value_(memory), heads_)};
}

at::Tensor QFormerAttention::finish(const at::Tensor& x, const at::Tensor& seen) const {
  return norm_(output_(seen) + x);
}

at::Tensor QFormerAttention::within(const at::Tensor& x, std::span<const nn::Part> parts) const {
  const auto [queries, keys, values] = heads(x, x);
  return finish(x, nn::by_part(parts, 1, [&](const nn::Part& part, std::size_t) {
                  return nn::attention(part.of(queries, 2), part.of(keys, 2), part.of(values, 2),
                                       options_);
                }));
}

at::Tensor QFormerAttention::to(const at::Tensor& memory, const at::Tensor& x) const {
  const auto [queries, keys, values] = heads(x, memory);
  return finish(x, nn::attention(queries, keys, values, options_));
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

at::Tensor QFormerLayer::forward(const at::Tensor& x, std::span<const nn::Part> parts,
                                 const at::Tensor& visual) const {
  // Queries and instruction tokens attend to each other: the instruction-aware step.
  const at::Tensor h = self_attention_.within(x, parts);  // [1, N, D]

  // Only the queries look at the image.
  at::Tensor queries = nn::by_part(parts, 0, [&](const nn::Part& part, std::size_t) {
    return h.narrow(1, part.first, num_queries_);
  });                                                                     // [B, Q, D]
  if (cross_attention_) queries = cross_attention_->to(visual, queries);  // [B, Q, D]
  queries = query_feed_forward_.forward(queries);
  if (h.size(1) == queries.size(0) * num_queries_) return queries.view_as(h);

  const at::Tensor text = nn::by_part(parts, 1, [&](const nn::Part& part, std::size_t) {
    return h.narrow(1, part.first + num_queries_, part.count - num_queries_);
  });  // [1, N - B Q, D]
  return joined(queries, text_feed_forward_->forward(text), parts);
}

at::Tensor QFormerLayer::joined(const at::Tensor& queries, const at::Tensor& text,
                                std::span<const nn::Part> parts) const {
  std::vector<at::Tensor> rows;
  std::int64_t read = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const std::int64_t tokens = parts[i].count - num_queries_;
    rows.push_back(queries.narrow(0, static_cast<std::int64_t>(i), 1));
    rows.push_back(text.narrow(1, read, tokens));
    read += tokens;
  }
  return at::cat(rows, 1);
}

at::Tensor QFormerLayer::forward_text(const at::Tensor& x) const {
  return text_feed_forward_->forward(self_attention_.to(x, x));
}

}  // namespace instructblip
