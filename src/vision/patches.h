// Pictures cut into patches.
#pragma once

#include <ATen/core/Tensor.h>

namespace instructblip {

// A convolution whose stride is its kernel: pixels [B, 3, H, W], weight [V, 3, p, p], bias [V] or
// undefined -> [B, h w, V], row by row. What is left of a picture on the right and below is not
// looked at.
at::Tensor embed_patches(const at::Tensor& pixels, const at::Tensor& weight,
                         const at::Tensor& bias);

}  // namespace instructblip
