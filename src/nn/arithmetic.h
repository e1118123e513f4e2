// Sums and multiples of rows that belong to no other operation.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace instructblip::nn {

// a + b; one row of either stands for all rows of the other.
at::Tensor sum(const at::Tensor& a, const at::Tensor& b);

// factor * x, and x itself where the factor is 1.
at::Tensor scaled(const at::Tensor& x, double factor);

// A table of positions [1, 1 + side^2, V], the class row first, whose grid is resized to
// [1, 1 + height * width, V] as torch's bicubic interpolation does it (a = -0.75, not antialiased).
at::Tensor resized_positions(const at::Tensor& table, std::int64_t side, std::int64_t height,
                             std::int64_t width);

}  // namespace instructblip::nn
