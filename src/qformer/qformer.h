// The instruction-aware Querying Transformer. Dai et al., InstructBLIP, 2023.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "checkpoint/model_config.h"
#include "nn/embedding.h"
#include "nn/normalization.h"
#include "nn/weights.h"
#include "qformer/qformer_layer.h"

namespace instructblip {

// A BERT whose first Q rows are learned queries and whose other rows are the instruction. The
// queries read the image by cross-attention and the instruction by self-attention, so what they
// extract depends on both.
class QFormer {
 public:
  // `weights` at the checkpoint's root: the queries lie beside `qformer`.
  QFormer(const nn::Weights& weights, const QFormerConfig& config);

  // `instruction` [T], at most max_positions ids; `visual` [1, P, V] -> the queries [1, Q, D].
  at::Tensor forward(std::span<const std::int32_t> instruction, const at::Tensor& visual) const;

 private:
  at::Tensor embed(std::span<const std::int32_t> instruction) const;

  at::Tensor queries_;  // [1, Q, D]
  nn::Embedding words_;
  nn::Embedding positions_;
  nn::LayerNorm embedding_norm_;
  std::vector<QFormerLayer> layers_;
};

}  // namespace instructblip
