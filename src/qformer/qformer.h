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
#include "nn/rows.h"
#include "nn/weights.h"
#include "qformer/qformer_layer.h"

namespace instructblip {

// What the queries of one picture became, and the attention that made them so.
struct QFormerTrace {
  at::Tensor queries;             // [1, Q, D]
  std::vector<at::Tensor> cross;  // [1, H, Q, P] for each layer that looks at the picture
};

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

  // forward() while nn::is_watched(): gradients go back to `cross`. One picture, `visual` [1, P,
  // V].
  QFormerTrace watched(Ids instruction, const at::Tensor& visual) const;

  // The text by itself, without queries or picture: [1, T, D], 1 <= T <= max_positions.
  at::Tensor read(Ids text) const;

 private:
  struct Text {
    nn::Embedding words, positions;
  };

  // Rows that a picture's queries and its instruction have, for each instruction.
  std::vector<nn::Part> parts_of(std::span<const Ids> instructions) const;
  // The words of all, one after the other, where the runtime has its tensors: [all T] int32.
  at::Tensor words_of(std::span<const Ids> instructions) const;
  at::Tensor embed_text(const at::Tensor& words) const;  // [T] -> [T, D], not normed
  // Queries and words of all parts: [N, D].
  at::Tensor embed(std::span<const nn::Part> parts, const at::Tensor& words) const;
  // The queries [B, Q, D], by a kernel that computes whole layers; undefined where the runtime's
  // device has none that takes them.
  at::Tensor queries_on_device(std::span<const nn::Part> parts, const at::Tensor& words,
                               const at::Tensor& visual) const;
  // x [N, D] -> the queries [B, Q, D].
  at::Tensor queries_of(at::Tensor x, std::span<const nn::Part> parts,
                        const at::Tensor& visual) const;

  const nn::Runtime* runtime_;
  std::int64_t heads_;
  at::Tensor queries_;        // [1, Q, D]
  std::optional<Text> text_;  // none where no instruction is read
  nn::LayerNorm embedding_norm_;
  std::vector<QFormerLayer> layers_;
};

}  // namespace instructblip
