// The blocks of T5's encoder and decoder.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <span>

#include "checkpoint/model_config.h"
#include "language/packing.h"
#include "nn/activation.h"
#include "nn/attention.h"
#include "nn/linear.h"
#include "nn/normalization.h"
#include "nn/weights.h"

namespace instructblip {

// R hypotheses and P encoder positions, image tokens included, of all parts | L hidden (2048)
// F feed-forward (5120) | H heads | d width of a head; H * d need not equal L

// Scores are not divided by sqrt(d), and no projection has a bias.
class T5Attention {
 public:
  T5Attention(const nn::Weights& weights, const T5Config& config);

  at::Tensor queries(const at::Tensor& x) const;  // [B, T, L] -> [B, H, T, d]
  at::Tensor keys(const at::Tensor& x) const;
  at::Tensor values(const at::Tensor& x) const;
  at::Tensor output(const at::Tensor& attended) const { return output_(attended); }

 private:
  std::int64_t heads_;
  nn::Linear query_, key_, value_, output_;
};

// contract(act(gate(x)) * expand(x)), or contract(act(expand(x))) where the config is not gated.
class T5FeedForward {
 public:
  T5FeedForward(const nn::Weights& weights, const T5Config& config);
  at::Tensor forward(const at::Tensor& x) const;

 private:
  Activation activation_;
  nn::Linear expand_;
  std::optional<nn::Linear> gated_;
  nn::Linear contract_;
};

class T5EncoderBlock {
 public:
  T5EncoderBlock(const nn::Weights& weights, const T5Config& config);
  // x [1, P, L]; of each part a bias [1, H, its P, its P] -> [1, P, L].
  at::Tensor forward(const at::Tensor& x, std::span<const at::Tensor> biases,
                     std::span<const PromptPart> parts) const;

 private:
  nn::RmsNorm before_attention_, before_feed_forward_;
  T5Attention attention_;
  T5FeedForward feed_forward_;
};

class T5DecoderBlock {
 public:
  T5DecoderBlock(const nn::Weights& weights, const T5Config& config, std::int64_t index);

  // Adds this block's memory to each part's state; encoded [1, P, L].
  void remember(const at::Tensor& encoded, std::span<const PromptPart> parts) const;
  // The position that the caches have begun: x [R, 1, L]; of each part a bias [1, H, 1, its T] ->
  // [R, 1, L].
  at::Tensor step(const at::Tensor& x, std::span<const at::Tensor> biases,
                  std::span<const PromptPart> parts) const;

 private:
  at::Tensor look_back(const at::Tensor& x, std::span<const at::Tensor> biases,
                       std::span<const PromptPart> parts) const;
  at::Tensor look_at_prompt(const at::Tensor& x, std::span<const PromptPart> parts) const;

  std::int64_t index_;
  nn::RmsNorm before_self_, before_cross_, before_feed_forward_;
  T5Attention self_, cross_;
  T5FeedForward feed_forward_;
};

}  // namespace instructblip
