#include "qformer/qformer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>

namespace instructblip {

QFormer::QFormer(const nn::Weights& weights, const QFormerConfig& config)
    : queries_(weights.vector("query_tokens", {1, config.queries, config.hidden})),
      words_(weights / "qformer" / "embeddings" / "word_embeddings", config.vocabulary,
             config.hidden),
      positions_(weights / "qformer" / "embeddings" / "position_embeddings", config.max_positions,
                 config.hidden),
      embedding_norm_(weights / "qformer" / "embeddings" / "layernorm", config.hidden,
                      config.layer_norm_eps) {
  layers_.reserve(static_cast<std::size_t>(config.layers));
  for (std::int64_t i = 0; i < config.layers; ++i) {
    layers_.emplace_back(weights / "qformer" / "encoder" / "layer" / i, config, i);
  }
}

at::Tensor QFormer::embed(std::span<const std::int32_t> instruction) const {
  // Positions count the instruction alone; queries have none.
  const auto length = static_cast<std::int64_t>(instruction.size());
  const at::Tensor positions = positions_.table().narrow(0, 0, length).to(at::kFloat);
  const at::Tensor text = (words_(instruction) + positions).unsqueeze(0);  // [1, T, D]
  return embedding_norm_(at::cat({queries_, text}, 1));                    // [1, Q + T, D]
}

at::Tensor QFormer::forward(std::span<const std::int32_t> instruction,
                            const at::Tensor& visual) const {
  at::Tensor x = embed(instruction);
  for (const QFormerLayer& layer : layers_) x = layer.forward(x, visual);
  return x.narrow(1, 0, queries_.size(1));  // [1, Q, D]
}

}  // namespace instructblip
