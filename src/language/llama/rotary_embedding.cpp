#include "language/llama/rotary_embedding.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/neg.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/reciprocal.h>
#include <ATen/ops/sin.h>

#include <algorithm>

#include "nn/fixed_order.h"

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

Rotation RotaryEmbedding::along_sequence(std::span<const std::int64_t> positions) const {
  return rotation(positions, {1, 1, static_cast<std::int64_t>(positions.size())});
}

Rotation RotaryEmbedding::of_rows(std::span<const std::int64_t> positions) const {
  return rotation(positions, {static_cast<std::int64_t>(positions.size()), 1, 1});
}

Rotation RotaryEmbedding::rotation(std::span<const std::int64_t> positions,
                                   std::array<std::int64_t, 3> shape) const {
  const auto count = static_cast<std::int64_t>(positions.size());
  at::Tensor at_rows = at::empty({count, 1}, at::dtype(at::kFloat));
  std::copy(positions.begin(), positions.end(), at_rows.data_ptr<float>());
  const at::Tensor angles = at_rows * frequencies_.unsqueeze(0);  // [n, d/2]
  const at::Tensor both =
      at::cat({angles, angles}, -1).view({shape[0], shape[1], shape[2], 2 * angles.size(1)});
  return {nn::by_row(both, [](const at::Tensor& x) { return at::cos(x); }),
          nn::by_row(both, [](const at::Tensor& x) { return at::sin(x); })};
}

}  // namespace instructblip
