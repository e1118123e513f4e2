// One layer of the Q-Former.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "checkpoint/model_config.h"
#include "nn/activation.h"
#include "nn/attention.h"
#include "nn/linear.h"
#include "nn/normalization.h"
#include "nn/weights.h"

namespace instructblip {

// B batch | Q queries (32) | T instruction tokens | P image positions (257)
// D hidden (768) | V vision hidden (1408) | F feed-forward (3072)

// Post-LN multi-head attention with its residual: LN(dense(attention(x, memory)) + x).
class QFormerAttention {
 public:
  // `memory_width` is the width of what keys and values are made of.
  QFormerAttention(const nn::Weights& weights, const QFormerConfig& config,
                   std::int64_t memory_width);
  // x [B, q, D], memory [B, k, memory_width] -> [B, q, D].
  at::Tensor forward(const at::Tensor& x, const at::Tensor& memory) const;

 private:
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

  // x [B, Q + T, D], queries first; T is 0 where no instruction is read; visual [B, P, V] ->
  // [B, Q + T, D].
  at::Tensor forward(const at::Tensor& x, const at::Tensor& visual) const;
  // x [1, T, D], text without queries -> [1, T, D].
  at::Tensor forward_text(const at::Tensor& x) const;

 private:
  std::int64_t num_queries_;
  QFormerAttention self_attention_;
  std::optional<QFormerAttention> cross_attention_;
  QFormerFeedForward query_feed_forward_;
  std::optional<QFormerFeedForward> text_feed_forward_;  // none where no instruction is read
};

}  // namespace instructblip
