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

at::Tensor QFormer::embed(std::span<const std::int32_t> instruction) const {
  if (!text_) return embedding_norm_(queries_);
  // Positions count the instruction alone; queries have none.
  const auto length = static_cast<std::int64_t>(instruction.size());
  const at::Tensor positions = text_->positions.table().narrow(0, 0, length).to(at::kFloat);
  const at::Tensor words = (text_->words(instruction) + positions).unsqueeze(0);  // [1, T, D]
  return embedding_norm_(at::cat({queries_, words}, 1));
}

at::Tensor QFormer::forward(std::span<const std::int32_t> instruction,
                            const at::Tensor& visual) const {
  at::Tensor x = embed(instruction).expand({visual.size(0), -1, -1});  // [B, Q + T, D]
  for (const QFormerLayer& layer : layers_) x = layer.forward(x, visual);
  return x.narrow(1, 0, queries_.size(1));  // [B, Q, D]
}

}  // namespace instructblip
