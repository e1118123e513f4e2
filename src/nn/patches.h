// Pictures cut into patches.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "nn/linear.h"
#include "nn/weights.h"

namespace instructblip::nn {

// A convolution whose stride is its kernel.
class PatchEmbedding {
 public:
  // Reads `weight` [V, 3, size, size] and, with Bias::present, `bias` [V].
  PatchEmbedding(const Weights& weights, std::int64_t width, std::int64_t size, Linear::Bias bias);

  // Pixels [B, 3, H, W] -> [B, h w, V], row by row. What is left of a picture on the right and
  // below is not looked at.
  at::Tensor operator()(const at::Tensor& pixels) const;

 private:
  const Runtime* runtime_;
  std::int64_t size_;
  at::Tensor weight_, bias_;  // float32, the second undefined where there is none
};

}  // namespace instructblip::nn
