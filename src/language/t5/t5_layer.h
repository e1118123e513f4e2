// The blocks of T5's encoder and decoder.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "config/model_config.h"
#include "nn/attention.h"
#include "nn/feed_forward.h"
#include "nn/heads.h"
#include "nn/linear.h"
#include "nn/normalization.h"
#include "nn/rows.h"
#include "nn/weights.h"

namespace instructblip {

// P encoder positions, image tokens included, of all prompts | R hypotheses of all prompts
// L hidden (2048) | H heads | d width of a head; H * d need not equal L

// Attention of T5, whose scores are not divided by sqrt(d) and whose projections have no bias.
struct T5Attention {
  enum class Over { itself, memory };  // what keys and values are made of

  T5Attention(const nn::Weights& weights, const T5Config& config, Over over);

  nn::HeadsProjection heads;
  nn::Linear output;
};

class T5EncoderBlock {
 public:
  T5EncoderBlock(const nn::Weights& weights, const T5Config& config);
  // x [P, L] -> [P, L].
  nn::Sum forward(const nn::Sum& x, const nn::Rows& rows) const;

 private:
  nn::AttentionOptions options_;
  nn::RmsNorm before_attention_, before_feed_forward_;
  T5Attention attention_;
  nn::FeedForward feed_forward_;
};

class T5DecoderBlock {
 public:
  T5DecoderBlock(const nn::Weights& weights, const T5Config& config, std::int64_t index);

  // Puts keys and values of what the encoder made, [P, L], into the caches of `memory`.
  void remember(const at::Tensor& encoded, const nn::Rows& memory) const;
  // x [R, L] -> [R, L]; `rows` with the caches of the decoder, `memory` with those of the encoder.
  nn::Sum forward(const nn::Sum& x, const nn::Rows& rows, const nn::Rows& memory) const;

 private:
  std::int64_t index_;
  nn::AttentionOptions options_;
  nn::RmsNorm before_self_, before_cross_, before_feed_forward_;
  T5Attention self_, cross_;
  nn::FeedForward feed_forward_;
};

}  // namespace instructblip
