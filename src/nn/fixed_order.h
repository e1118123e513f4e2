// Matrix products whose results do not depend on what is computed beside them.
#pragma once

#include <ATen/core/Tensor.h>

namespace instructblip::nn {

// a [..., M, K] float32, b [..., N, K] float32, or [N, K] float32, f16 or bf16 for all of a ->
// a b^T [..., M, N]. Each sum runs over 16 lanes of K, which are then added pairwise.
at::Tensor fixed_order_product(const at::Tensor& a, const at::Tensor& b);

}  // namespace instructblip::nn
