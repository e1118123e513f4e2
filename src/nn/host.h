// Tensors in the host's memory.
#pragma once

#include <ATen/core/Tensor.h>

namespace instructblip::nn {

// How a tensor of this type is made there, whatever the runtime.
inline at::TensorOptions host(at::ScalarType type) { return at::dtype(type).device(at::kCPU); }

// The values of a tensor there, as float32 where they are of half precision: a copy, which waits
// for the device that computes them, or itself where it is that already.
at::Tensor to_host(const at::Tensor& tensor);

}  // namespace instructblip::nn
