// From the width of the Q-Former to that of the language model.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "nn/linear.h"
#include "nn/weights.h"

namespace instructblip {

// B batch | Q queries (32) | D hidden of the Q-Former (768) | L hidden of the language model
class Projection {
 public:
  // `weights` at the checkpoint's `language_projection`.
  Projection(const nn::Weights& weights, std::int64_t from, std::int64_t to);

  // Queries [B, Q, D] -> the visual prefix of the prompt [B, Q, L].
  at::Tensor forward(const at::Tensor& queries) const { return linear_(queries); }

 private:
  nn::Linear linear_;
};

}  // namespace instructblip
