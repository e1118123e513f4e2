// One decoder layer of OPT. Zhang et al., 2022.
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

// N rows: positions of prompts, or hypotheses | D hidden (2560)

// Each sub-layer has one norm: in front of it, or behind its residual sum.
class OptLayer {
 public:
  OptLayer(const nn::Weights& weights, const OptConfig& config, std::int64_t index);

  // x [N, D] -> [N, D], or the last row of each sequence alone; keys and values of all go to the
  // caches of `rows`.
  nn::Sum forward(const nn::Sum& x, const nn::Rows& rows, nn::Needed needed) const;

 private:
  std::int64_t index_;
  nn::AttentionOptions attention_;
  nn::OptionalNorm before_attention_, after_attention_, before_feed_forward_, after_feed_forward_;
  nn::HeadsProjection heads_;
  nn::Linear output_;
  nn::FeedForward feed_forward_;
};

// A norm of OPT; some checkpoints have none with parameters.
nn::LayerNorm opt_norm(const nn::Weights& weights, const OptConfig& config);

}  // namespace instructblip
