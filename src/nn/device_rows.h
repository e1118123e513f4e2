// What kernels of a device compute of rows in half precision. Each returns an undefined tensor
// where the runtime's device has no kernel for it: the operation is an ATen composition then.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "config/language_config.h"
#include "kernels/cuda/attention.h"
#include "nn/runtime.h"

namespace instructblip::nn {

// f16 or bf16 as kernels name them; none: these rows are not of half precision.
std::optional<kernels::cuda::Element> element_of(at::ScalarType type);

// What `x.const_data_ptr()` is for a kernel: null where it is undefined.
inline const void* address_of(const at::Tensor& x) {
  return x.defined() ? x.const_data_ptr() : nullptr;
}

struct NormWeights {
  at::Tensor weight, bias;  // [width]; the bias may be undefined
  double eps;
  bool centred;  // false: RMSNorm
};
// x [..., width] -> [..., width].
at::Tensor normalized_on_device(const Runtime& runtime, const at::Tensor& x,
                                const NormWeights& weights);

// f(x), x [..., width]; or, gated, f(x) g of rows x, g: [..., 2 width] -> [..., width].
at::Tensor activated_on_device(const Runtime& runtime, Activation activation, const at::Tensor& x,
                               bool gated);

struct ProductWith {
  at::Tensor weight;     // [out, in]
  at::Tensor bias = {};  // [out], or undefined
  at::Tensor plus = {};  // [..., out], added, or undefined
  bool wide = false;     // the result is float32
};
// x [..., in] -> [..., out], of few rows.
at::Tensor product_on_device(const Runtime& runtime, const at::Tensor& x, const ProductWith& with);

}  // namespace instructblip::nn
