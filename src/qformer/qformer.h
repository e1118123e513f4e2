// The Querying Transformer: Li et al., BLIP-2, 2023; instruction-aware: Dai et al., InstructBLIP,
// 2023.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "config/model_config.h"
#include "nn/embedding.h"
#include "nn/normalization.h"
#include "nn/weights.h"
#include "qformer/qformer_layer.h"

namespace instructblip {

// A BERT whose first Q rows are learned queries and whose other rows are the instruction. The
// queries read the image by cross-attention and the instruction by self-attention, so what they
// extract depends on both. In BLIP-2 they are alone, and it depends on the image only.
class QFormer {
 public:
  // `weights` at the checkpoint's root: the queries lie beside `qformer`.
  QFormer(const nn::Weights& weights, const QFormerConfig& config);

  using Ids = std::span<const std::int32_t>;

  // `instruction` [T], at most max_positions ids, none where it is not read; `visual` [B, P, V],
  // each picture looked at with the same instruction -> the queries [B, Q, D].
  // Without an instruction the queries are alone.
  at::Tensor forward(Ids instruction, const at::Tensor& visual) const;
  // Each picture with an instruction of its own, which may differ in length too: see nn/rows.h.
  at::Tensor forward_each(std::span<const Ids> instructions, const at::Tensor& visual) const;

  // What each layer attends to: `instruction` as above, `visual` [1, P, V], one picture.
  std::vector<QFormerAttention> attention(Ids instruction, const at::Tensor& visual) const;

  // The text by itself, without queries or picture: [1, T, D], 1 <= T <= max_positions.
  at::Tensor read(Ids text) const;

 private:
  struct Text {
    nn::Embedding words, positions;
  };

  at::Tensor embed_text(Ids text) const;                      // [T, D], not normed
  at::Tensor embed(std::span<const Ids> instructions) const;  // [N, D]

  at::Tensor queries_;        // [1, Q, D]
  std::optional<Text> text_;  // none where no instruction is read
  nn::LayerNorm embedding_norm_;
  std::vector<QFormerLayer> layers_;
};

}  // namespace instructblip
