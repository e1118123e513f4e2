// Small helpers for tests on tensors.
#pragma once

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/max.h>
#include <ATen/ops/sin.h>

#include <vector>

namespace instructblip {

// Numbers in [-1, 1] that repeat nowhere near; other for each `seed`.
inline at::Tensor wave(std::vector<std::int64_t> shape, double seed) {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) count *= size;
  return at::sin(at::arange(count, at::dtype(at::kFloat)) * (1.618 + seed) + 3.0 * seed)
      .view(shape);
}

inline double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return at::abs(a.to(at::kDouble) - b.to(at::kDouble)).max().item<double>();
}

}  // namespace instructblip
