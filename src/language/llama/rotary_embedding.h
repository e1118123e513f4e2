// Rotary position embedding. Su et al., RoFormer, 2021.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace instructblip {

// The rotations of a run of positions, ready to be applied.
class Rotation {
 public:
  Rotation(at::Tensor cosine, at::Tensor sine)
      : cosine_(std::move(cosine)), sine_(std::move(sine)) {}
  // x [B, H, T, d] -> [B, H, T, d]. Dimension j is paired with j + d/2, not with its neighbour.
  at::Tensor apply(const at::Tensor& x) const;

 private:
  at::Tensor cosine_, sine_;  // [1, 1, T, d]
};

class RotaryEmbedding {
 public:
  // Frequencies theta^(-2j/d), j = 0 .. d/2 - 1.
  RotaryEmbedding(std::int64_t head_dim, double theta);
  // For positions first .. first + count - 1.
  Rotation rotation(std::int64_t first, std::int64_t count) const;

 private:
  at::Tensor frequencies_;  // [d/2]
};

}  // namespace instructblip
