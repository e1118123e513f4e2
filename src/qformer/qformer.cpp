#include "qformer/qformer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>

#include <string_view>

namespace instructblip {
namespace {

// Where there are no words, the norm has their place.
std::string_view norm_path(const QFormerConfig& config) {
  return config.reads_instruction ? "embeddings.layernorm" : "layernorm";
}

}  // namespace

QFormer::QFormer(const nn::Weights& weights, const QFormerConfig& config)
    : queries_(weights.vector("query_tokens", {1, config.queries, config.hidden})),
      embedding_norm_(weights / "qformer" / norm_path(config), config.hidden,
                      config.layer_norm_eps) {
  if (config.reads_instruction) {
    const nn::Weights tables = weights / "qformer" / "embeddings";
    text_ = Text{{tables / "word_embeddings", config.vocabulary, config.hidden},
                 {tables / "position_embeddings", config.max_positions, config.hidden}};
  }
  layers_.reserve(static_cast<std::size_t>(config.layers));
  for (std::int64_t i = 0; i < config.layers; ++i) {
    layers_.emplace_back(weights / "qformer" / "encoder" / "layer" / i, config, i);
  }
}

// Positions count the text alone; queries have none.
at::Tensor QFormer::embed_text(std::span<const std::int32_t> text) const {
  const auto length = static_cast<std::int64_t>(text.size());
  const at::Tensor positions = text_->positions.table().narrow(0, 0, length).to(at::kFloat);
  return (text_->words(text) + positions).unsqueeze(0);
}

at::Tensor QFormer::embed(std::span<const std::int32_t> instruction) const {
  if (instruction.empty()) return embedding_norm_(queries_);
  return embedding_norm_(at::cat({queries_, embed_text(instruction)}, 1));
}

at::Tensor QFormer::forward(std::span<const std::int32_t> instruction,
                            const at::Tensor& visual) const {
  at::Tensor x = embed(instruction).expand({visual.size(0), -1, -1});  // [B, Q + T, D]
  for (const QFormerLayer& layer : layers_) x = layer.forward(x, visual);
  return x.narrow(1, 0, queries_.size(1));  // [B, Q, D]
}

at::Tensor QFormer::read(std::span<const std::int32_t> text) const {
  at::Tensor x = embedding_norm_(embed_text(text));  // [1, T, D]
  for (const QFormerLayer& layer : layers_) x = layer.forward_text(x);
  return x;
}

}  // namespace instructblip
