// Rotary position embedding. Su et al., RoFormer, 2021.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <span>
#include <utility>

namespace instructblip {

// The rotations of rows at their positions, ready to be applied.
class Rotation {
 public:
  Rotation(at::Tensor cosine, at::Tensor sine)
      : cosine_(std::move(cosine)), sine_(std::move(sine)) {}
  // x [B, H, T, d] -> [B, H, T, d]. Dimension j is paired with j + d/2, not with its neighbour.
  at::Tensor apply(const at::Tensor& x) const;

 private:
  at::Tensor cosine_, sine_;  // [1, 1, T, d] or [B, 1, 1, d]
};

class RotaryEmbedding {
 public:
  // Frequencies theta^(-2j/d), j = 0 .. d/2 - 1.
  RotaryEmbedding(std::int64_t head_dim, double theta);
  // For rows [1, H, T, d] at these T positions.
  Rotation along_sequence(std::span<const std::int64_t> positions) const;
  // For rows [B, H, 1, d] at these B positions.
  Rotation of_rows(std::span<const std::int64_t> positions) const;

 private:
  // For rows whose shape is `shape` but for the last dimension.
  Rotation rotation(std::span<const std::int64_t> positions,
                    std::array<std::int64_t, 3> shape) const;

  at::Tensor frequencies_;  // [d/2]
};

}  // namespace instructblip
