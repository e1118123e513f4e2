// One decoder layer of LLaMA. Touvron et al., 2023.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

#include "checkpoint/model_config.h"
#include "language/llama/rotary_embedding.h"
#include "language/packing.h"
#include "nn/activation.h"
#include "nn/attention.h"
#include "nn/linear.h"
#include "nn/normalization.h"
#include "nn/weights.h"

namespace instructblip {

// R hypotheses and P prompt positions, of all parts | L hidden (4096) | F feed-forward (11008)

class LlamaLayer {
 public:
  LlamaLayer(const nn::Weights& weights, const LlamaConfig& config, std::int64_t index);

  // Whole prompts, each causally: x [1, P, L] -> [1, P, L]; keys and values go to the caches.
  at::Tensor prefill(const at::Tensor& x, const Rotation& rotation,
                     std::span<const PromptPart> parts) const;
  // The position that the caches have begun: x [R, 1, L] -> [R, 1, L].
  at::Tensor step(const at::Tensor& x, const Rotation& rotation,
                  std::span<const PromptPart> parts) const;

 private:
  struct Heads {
    at::Tensor queries, keys, values;  // [B, H, T, d], [B, H_kv, T, d] twice
  };
  Heads project(const at::Tensor& x, const Rotation& rotation) const;
  at::Tensor finish(const at::Tensor& x, const at::Tensor& attended) const;

  std::int64_t index_, heads_, key_value_heads_;
  Activation activation_;
  nn::AttentionOptions over_prompt_, over_cache_;
  nn::RmsNorm before_attention_, before_feed_forward_;
  nn::Linear query_, key_, value_, output_;
  nn::Linear gate_, up_, down_;
};

}  // namespace instructblip
