#include "language/llama/rotary_embedding.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/neg.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/reciprocal.h>
#include <ATen/ops/sin.h>

namespace instructblip {

at::Tensor Rotation::apply(const at::Tensor& x) const {
  const std::int64_t half = x.size(-1) / 2;
  const at::Tensor rotated =
      at::cat({-x.narrow(-1, half, half), x.narrow(-1, 0, half)}, -1);  // [B, H, T, d]
  return x * cosine_ + rotated * sine_;
}

RotaryEmbedding::RotaryEmbedding(std::int64_t head_dim, double theta) {
  const at::Tensor exponents =
      at::arange(0, head_dim, 2, at::dtype(at::kFloat)) / static_cast<double>(head_dim);
  frequencies_ = at::reciprocal(at::pow(theta, exponents));
}

Rotation RotaryEmbedding::rotation(std::int64_t first, std::int64_t count) const {
  const at::Tensor positions = at::arange(first, first + count, at::dtype(at::kFloat));  // [T]
  const at::Tensor angles = positions.unsqueeze(1) * frequencies_.unsqueeze(0);          // [T, d/2]
  const at::Tensor both = at::cat({angles, angles}, -1).unsqueeze(0).unsqueeze(0);  // [1, 1, T, d]
  return {at::cos(both), at::sin(both)};
}

}  // namespace instructblip
