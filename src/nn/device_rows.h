// What kernels of a device compute of rows in half precision. Each returns an undefined tensor
// where the runtime's device has no kernel for it: the operation is an ATen composition then.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "config/language_config.h"
#include "kernels/cuda/attention.h"
#include "kernels/cuda/rows.h"
#include "nn/normalization.h"
#include "nn/runtime.h"

namespace instructblip::nn {

// f16 or bf16 as kernels name them; none: these rows are not of half precision.
std::optional<kernels::cuda::Element> element_of(at::ScalarType type);

// What `x.const_data_ptr()` is for a kernel: null where it is undefined.
inline const void* address_of(const at::Tensor& x) {
  return x.defined() ? x.const_data_ptr() : nullptr;
}

// [..., width]: how many there are.
std::int32_t row_count(const at::Tensor& x);

// An activation as kernels name it; none: no kernel has it.
std::optional<kernels::cuda::Activation> kernel_name_of(Activation activation);

// x [..., width] -> [..., width], with the sum made on the way if it is still to be made.
at::Tensor normalized_on_device(const Runtime& runtime, const Sum& x, const NormWeights& weights);

// f(x), x [..., width]; or, gated, f(x) g of rows x, g: [..., 2 width] -> [..., width].
at::Tensor activated_on_device(const Runtime& runtime, Activation activation, const at::Tensor& x,
                               bool gated);

}  // namespace instructblip::nn
