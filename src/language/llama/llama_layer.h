// One decoder layer of LLaMA. Touvron et al., 2023.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "config/model_config.h"
#include "nn/attention.h"
#include "nn/feed_forward.h"
#include "nn/heads.h"
#include "nn/linear.h"
#include "nn/normalization.h"
#include "nn/rotary.h"
#include "nn/rows.h"
#include "nn/weights.h"

namespace instructblip {

// N rows: positions of prompts, or hypotheses | L hidden (4096)

class LlamaLayer {
 public:
  LlamaLayer(const nn::Weights& weights, const LlamaConfig& config, std::int64_t index);

  // x [N, L] -> [N, L], or the last row of each sequence alone; keys and values of all go to the
  // caches of `rows`.
  nn::Sum forward(const nn::Sum& x, const nn::Rotation& rotation, const nn::Rows& rows,
                  nn::Needed needed) const;

 private:
  std::int64_t index_;
  nn::AttentionOptions attention_;
  nn::RmsNorm before_attention_, before_feed_forward_;
  nn::HeadsProjection heads_;
  nn::Linear output_;
  nn::FeedForward feed_forward_;
};

}  // namespace instructblip
