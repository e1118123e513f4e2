// Arithmetic whose results do not depend on what is computed beside them.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>

#include <cstdint>
#include <vector>

namespace instructblip::nn {

// A library's matrix product may add up in another order when a matrix has other rows, when it lies
// elsewhere in memory, or when more threads share the work; an elementwise function may round its
// last elements otherwise than the ones before. All that is allowed on a thread, unless:
//
// On a compute thread in fixed order every element is computed by one rule from its own row and
// column: the same bits in any batch, at any number of threads. Set once, when the thread begins.
void set_fixed_order(bool on);
bool fixed_order();

// a [..., M, K] float32, b [..., N, K] float32, or [N, K] float32, f16 or bf16 for all of a -> a
// b^T
// [..., M, N]. Each sum runs over 16 lanes of K, which are then added pairwise.
at::Tensor fixed_order_product(const at::Tensor& a, const at::Tensor& b);

// f(x), row by row in fixed order: so that an element's place in its row decides how it is rounded,
// not its place in the tensor. x [..., n], f elementwise.
template <typename Function>
at::Tensor by_row(const at::Tensor& x, Function&& f) {
  if (!fixed_order()) return f(x);
  const at::Tensor rows = x.reshape({-1, x.size(-1)});
  std::vector<at::Tensor> results;
  results.reserve(static_cast<std::size_t>(rows.size(0)));
  for (std::int64_t i = 0; i < rows.size(0); ++i) results.push_back(f(rows.narrow(0, i, 1)));
  return at::cat(results).view(x.sizes());
}

}  // namespace instructblip::nn
