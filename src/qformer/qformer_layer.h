// One layer of the Q-Former.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <span>

#include "checkpoint/model_config.h"
#include "nn/activation.h"
#include "nn/attention.h"
#include "nn/linear.h"
#include "nn/normalization.h"
#include "nn/packing.h"
#include "nn/weights.h"

namespace instructblip {

// B pictures | Q queries (32) | T instruction tokens | P image positions (257)
// N rows of all pictures, packed: those of one are its Q queries, then the T tokens of its
// instruction, which may be any number
// D hidden (768) | V vision hidden (1408) | F feed-forward (3072)

// Post-LN multi-head attention with its residual: LN(dense(attention(x, memory)) + x).
class QFormerAttention {
 public:
  // `memory_width` is the width of what keys and values are made of.
  QFormerAttention(const nn::Weights& weights, const QFormerConfig& config,
                   std::int64_t memory_width);
  // Each part to itself: x [1, N, D] -> [1, N, D].
  at::Tensor within(const at::Tensor& x, std::span<const nn::Part> parts) const;
  // x [B, q, D], memory [B, k, memory_width] -> [B, q, D].
  at::Tensor to(const at::Tensor& memory, const at::Tensor& x) const;

 private:
  struct Heads {
    at::Tensor queries, keys, values;  // [B, H, n, D / H]
  };
  Heads heads(const at::Tensor& x, const at::Tensor& memory) const;
  at::Tensor finish(const at::Tensor& x, const at::Tensor& seen) const;

  std::int64_t heads_;
  nn::AttentionOptions options_;
  nn::Linear query_, key_, value_, output_;
  nn::LayerNorm norm_;
};

// Post-LN feed-forward with its residual: LN(contract(act(expand(x))) + x).
class QFormerFeedForward {
 public:
  QFormerFeedForward(const nn::Weights& intermediate, const nn::Weights& output,
                     const QFormerConfig& config);
  at::Tensor forward(const at::Tensor& x) const;  // [B, n, D] -> [B, n, D]

 private:
  Activation activation_;
  nn::Linear expand_, contract_;
  nn::LayerNorm norm_;
};

class QFormerLayer {
 public:
  QFormerLayer(const nn::Weights& weights, const QFormerConfig& config, std::int64_t index);

  // x [1, N, D], a part for each picture; visual [B, P, V] -> [1, N, D].
  at::Tensor forward(const at::Tensor& x, std::span<const nn::Part> parts,
                     const at::Tensor& visual) const;
  // x [1, T, D], text without queries -> [1, T, D].
  at::Tensor forward_text(const at::Tensor& x) const;

 private:
  // Packed again: queries [B, Q, D], text [1, N - B Q, D] -> [1, N, D].
  at::Tensor joined(const at::Tensor& queries, const at::Tensor& text,
                    std::span<const nn::Part> parts) const;

  std::int64_t num_queries_;
  QFormerAttention self_attention_;
  std::optional<QFormerAttention> cross_attention_;
  QFormerFeedForward query_feed_forward_;
  std::optional<QFormerFeedForward> text_feed_forward_;  // none where no instruction is read
};

}  // namespace instructblip
