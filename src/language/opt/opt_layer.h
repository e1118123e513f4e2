// One decoder layer of OPT. Zhang et al., 2022.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

#include "checkpoint/model_config.h"
#include "language/packing.h"
#include "nn/activation.h"
#include "nn/attention.h"
#include "nn/linear.h"
#include "nn/normalization.h"
#include "nn/weights.h"

namespace instructblip {

// R hypotheses and P prompt positions, of all parts | D hidden (2560) | F feed-forward (10240)

class OptLayer {
 public:
  OptLayer(const nn::Weights& weights, const OptConfig& config, std::int64_t index);

  // Whole prompts, each causally: x [1, P, D] -> [1, P, D]; keys and values go to the caches.
  at::Tensor prefill(const at::Tensor& x, std::span<const PromptPart> parts) const;
  // The position that the caches have begun: x [R, 1, D] -> [R, 1, D].
  at::Tensor step(const at::Tensor& x, std::span<const PromptPart> parts) const;

 private:
  struct Heads {
    at::Tensor queries, keys, values;  // [B, H, T, d]
  };
  Heads project(const at::Tensor& x) const;
  at::Tensor finish(const at::Tensor& x, const at::Tensor& attended) const;

  std::int64_t index_, heads_;
  double query_scale_;
  bool norm_before_;  // in front of each sub-layer; else behind its residual sum
  Activation activation_;
  nn::LayerNorm attention_norm_, feed_forward_norm_;
  nn::Linear query_, key_, value_, output_;
  nn::Linear up_, down_;
};

// A norm of OPT; some checkpoints have none with parameters.
nn::LayerNorm opt_norm(const nn::Weights& weights, const OptConfig& config);

}  // namespace instructblip
