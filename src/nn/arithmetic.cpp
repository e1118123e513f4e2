#include "nn/arithmetic.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/upsample_bicubic2d.h>

#include <optional>

namespace instructblip::nn {

at::Tensor sum(const at::Tensor& a, const at::Tensor& b) { return a + b; }

at::Tensor scaled(const at::Tensor& x, double factor) { return factor == 1.0 ? x : x * factor; }

at::Tensor resized_positions(const at::Tensor& table, std::int64_t side, std::int64_t height,
                             std::int64_t width) {
  const std::int64_t hidden = table.size(2);
  const at::Tensor grid = table.narrow(1, 1, side * side)
                              .reshape({1, side, side, hidden})
                              .permute({0, 3, 1, 2});  // [1, V, side, side]
  const at::Tensor resized = at::upsample_bicubic2d(grid, {height, width}, /*align_corners=*/false,
                                                    std::nullopt, std::nullopt);
  const at::Tensor rows = resized.permute({0, 2, 3, 1}).reshape({1, height * width, hidden});
  return at::cat({table.narrow(1, 0, 1), rows}, 1);
}

}  // namespace instructblip::nn
