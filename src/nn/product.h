// Matrix products and elementwise functions in the order of operations that a runtime asks for.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>

#include <cstdint>
#include <vector>

#include "nn/runtime.h"

namespace instructblip::nn {

// a b^T: a [..., M, K], two dimensions at least, and b [..., N, K] of its type with the same
// leading sizes, or [N, K] float32, f16 or bf16 for all of a -> [..., M, N] of the type of a:
// float32, or what Runtime::row_type() is.
at::Tensor product(const Runtime& runtime, const at::Tensor& a, const at::Tensor& b);

// Whether products are computed by a kernel of src/kernels/, not by an ATen composition: where they
// must be deterministic, or one is forced by name.
bool uses_linear_kernel(const Runtime& runtime);

// Whether x [..., K] has so few rows that the kernel of `linear` multiplies weight [N, K], which is
// float32, fastest where it lies.
bool has_few_rows(const Runtime& runtime, const at::Tensor& x, const at::Tensor& weight);

// a b^T as product() has it, of so few rows that kernels are faster than ATen: undefined where they
// are more, or numerics are not fast. b [N, K] float32.
at::Tensor product_of_few_rows(const Runtime& runtime, const at::Tensor& a, const at::Tensor& b);

// f(x), x [..., n], f elementwise. Where results must be deterministic it is called row by row, so
// that an element's place in its row decides how it is rounded, not its place in the tensor.
template <typename Function>
at::Tensor elementwise(const Runtime& runtime, const at::Tensor& x, Function&& f) {
  if (!runtime.deterministic() || x.numel() == 0) return f(x);
  const at::Tensor rows = x.reshape({-1, x.size(-1)});
  std::vector<at::Tensor> results;
  results.reserve(static_cast<std::size_t>(rows.size(0)));
  for (std::int64_t i = 0; i < rows.size(0); ++i) results.push_back(f(rows.narrow(0, i, 1)));
  return at::cat(results).view(x.sizes());
}

}  // namespace instructblip::nn
