// A table of learned positions, fitted to the pictures that it is given.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "vision/vision_encoder.h"

namespace instructblip {

// `table` [1, P, V], the class row first, was learned for squares of `image_size` pixels in patches
// of `patch_size`. For other pictures its grid is resized as torch's bicubic interpolation does it
// (a = -0.75, not antialiased), or, where that was not allowed, Error(bad_model) thrown.
at::Tensor fitted_positions(const at::Tensor& table, std::int64_t image_size,
                            std::int64_t patch_size, const VisionEncoder::PixelSize& size);

}  // namespace instructblip
