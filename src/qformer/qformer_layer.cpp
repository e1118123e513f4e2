#include "qformer/qformer_layer.h"

#include <ATen/ops/cat.h>

#include <cmath>
#include <string>
#include <vector>

#include "nn/attention_weights.h"

namespace instructblip {
namespace {

nn::AttentionOptions options_of(const nn::Weights& weights, const QFormerConfig& config) {
  return {.runtime = &weights.runtime(),
          .order = nn::AttentionOrder::composed,
          .divisor = std::sqrt(static_cast<double>(config.hidden / config.heads))};
}

nn::HeadsConfig heads_of(const QFormerConfig& config,
                         std::optional<std::int64_t> memory_width = {}) {
  return {.query = "query",
          .key = "key",
          .value = "value",
          .width = config.hidden,
          .memory_width = memory_width,
          .heads = config.heads,
          .key_heads = config.heads,
          .head_width = config.hidden / config.heads};
}

nn::Linear read_output(const nn::Weights& weights, const QFormerConfig& config) {
  return nn::Linear(weights / "output" / "dense", config.hidden, config.hidden);
}

nn::LayerNorm read_norm(const nn::Weights& output, const QFormerConfig& config) {
  return nn::LayerNorm(output / "LayerNorm", config.hidden, config.layer_norm_eps);
}

}  // namespace

QFormerSelfAttention::QFormerSelfAttention(const nn::Weights& weights, const QFormerConfig& config)
    : options_(options_of(weights, config)),
      heads_(weights / "attention", heads_of(config)),
      output_(read_output(weights, config)),
      norm_(read_norm(weights / "output", config)) {}

at::Tensor QFormerSelfAttention::forward(const at::Tensor& x, const nn::Rows& rows) const {
  return norm_(output_(nn::attend(heads_(x), rows, 0, options_), /*plus=*/x));
}

at::Tensor QFormerSelfAttention::weights(const at::Tensor& x) const {
  return nn::attention_weights(heads_(x.unsqueeze(0)), options_)[0];
}

bool QFormerSelfAttention::describe(nn::DeviceQFormerLayer& layer) const {
  const at::ScalarType rows = options_.runtime->row_type();
  return nn::put_down(heads_.all_on_device(), rows, layer.weights.heads) &&
         nn::put_down(output_.on_device(), rows, layer.weights.self_output) &&
         nn::put_down(norm_, rows, layer.weights.self_norm);
}

QFormerCrossAttention::QFormerCrossAttention(const nn::Weights& weights,
                                             const QFormerConfig& config)
    : options_(options_of(weights, config)),
      heads_(weights / "attention", heads_of(config, config.encoder_hidden)),
      output_(read_output(weights, config)),
      norm_(read_norm(weights / "output", config)) {}

at::Tensor QFormerCrossAttention::forward(const at::Tensor& x, const at::Tensor& memory,
                                          at::Tensor* weights) const {
  const nn::Heads heads = heads_(x, memory);
  if (weights == nullptr) return norm_(output_(nn::attend(heads, options_), /*plus=*/x));
  const nn::AttendedBy attended = nn::attend_showing_weights(heads, options_);
  *weights = attended.weights;
  return norm_(output_(attended.rows, /*plus=*/x));
}

at::Tensor QFormerCrossAttention::weights(const at::Tensor& x, const at::Tensor& memory) const {
  return nn::attention_weights(heads_(x, memory), options_)[0];
}

bool QFormerCrossAttention::describe(nn::DeviceQFormerLayer& layer) const {
  const at::ScalarType rows = options_.runtime->row_type();
  layer.looks_by = &heads_;
  return nn::put_down(heads_.queries_on_device(), rows, layer.weights.cross_query) &&
         nn::put_down(output_.on_device(), rows, layer.weights.cross_output) &&
         nn::put_down(norm_, rows, layer.weights.cross_norm);
}

QFormerFeedForward::QFormerFeedForward(const nn::Weights& weights, const QFormerConfig& config,
                                       std::string_view intermediate, std::string_view output)
    : rows_(weights.runtime().row_type()),
      feed_forward_(weights, {.expand = std::string(intermediate) + ".dense",
                              .contract = std::string(output) + ".dense",
                              .width = config.hidden,
                              .inner = config.feed_forward,
                              .activation = config.activation}),
      norm_(read_norm(weights / output, config)) {}

at::Tensor QFormerFeedForward::forward(const at::Tensor& x) const {
  return norm_(feed_forward_(x, /*plus=*/x));
}

bool QFormerFeedForward::describe(nn::DeviceQFormerHalf& half) const {
  return half.describe(feed_forward_.expand_on_device(), feed_forward_.contract_on_device(), norm_,
                       rows_);
}

QFormerLayer::QFormerLayer(const nn::Weights& weights, const QFormerConfig& config,
                           std::int64_t index)
    : num_queries_(config.queries),
      self_attention_(weights / "attention", config),
      query_feed_forward_(weights, config, "intermediate_query", "output_query") {
  if (config.reads_instruction) {
    text_feed_forward_.emplace(weights, config, "intermediate", "output");
  }
  if (index % config.cross_attention_every == 0) {
    cross_attention_.emplace(weights / "crossattention", config);
  }
}

at::Tensor QFormerLayer::queries_of(const at::Tensor& h, std::span<const nn::Part> parts,
                                    const at::Tensor& visual, at::Tensor* cross) const {
  at::Tensor queries = nn::by_part(parts, 0, [&](const nn::Part& part, std::size_t) {
    return h.narrow(0, part.first, num_queries_).unsqueeze(0);
  });
  if (cross_attention_) queries = cross_attention_->forward(queries, visual, cross);
  return query_feed_forward_.forward(queries);
}

at::Tensor QFormerLayer::forward_queries(const at::Tensor& x, const nn::Rows& rows,
                                         const at::Tensor& visual) const {
  return queries_of(self_attention_.forward(x, rows), rows.parts, visual, nullptr);
}

at::Tensor QFormerLayer::forward(const at::Tensor& x, const nn::Rows& rows,
                                 const at::Tensor& visual, at::Tensor* cross) const {
  // Queries and instruction tokens attend to each other: the instruction-aware step.
  const at::Tensor h = self_attention_.forward(x, rows);                // [N, D]
  const at::Tensor queries = queries_of(h, rows.parts, visual, cross);  // [B, Q, D]
  if (h.size(0) == queries.size(0) * num_queries_) return queries.view_as(h);

  const at::Tensor text = nn::by_part(rows.parts, 0, [&](const nn::Part& part, std::size_t) {
    return h.narrow(0, part.first + num_queries_, part.count - num_queries_);
  });  // [N - B Q, D]
  return joined(queries, text_feed_forward_->forward(text), rows.parts);
}

QFormerAttention QFormerLayer::attention(const at::Tensor& x, const nn::Rows& rows,
                                         const at::Tensor& visual) const {
  QFormerAttention attention{self_attention_.weights(x), {}};
  if (!cross_attention_) return attention;
  const at::Tensor h = self_attention_.forward(x, rows);
  attention.cross = cross_attention_->weights(h.narrow(0, 0, num_queries_).unsqueeze(0), visual);
  return attention;
}

at::Tensor QFormerLayer::joined(const at::Tensor& queries, const at::Tensor& text,
                                std::span<const nn::Part> parts) const {
  std::vector<at::Tensor> rows;
  std::int64_t read = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const std::int64_t tokens = parts[i].count - num_queries_;
    rows.push_back(queries[static_cast<std::int64_t>(i)]);
    rows.push_back(text.narrow(0, read, tokens));
    read += tokens;
  }
  return at::cat(rows);
}

at::Tensor QFormerLayer::forward_text(const at::Tensor& x, const nn::Rows& rows) const {
  return text_feed_forward_->forward(self_attention_.forward(x, rows));
}

std::optional<nn::DeviceQFormerLayer> QFormerLayer::on_device() const {
  nn::DeviceQFormerLayer layer;
  const bool fits = self_attention_.describe(layer) &&
                    query_feed_forward_.describe(layer.queries) &&
                    (!cross_attention_ || cross_attention_->describe(layer)) &&
                    (!text_feed_forward_ || text_feed_forward_->describe(layer.text));
  return fits ? std::optional(layer) : std::nullopt;
}

}  // namespace instructblip
