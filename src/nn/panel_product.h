// Products by the kernels of packed weights, with what stands behind them in the same trip.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <optional>

#include "kernels/activation.h"
#include "kernels/panels.h"
#include "nn/normalization.h"
#include "nn/runtime.h"

namespace instructblip::nn {

// A matrix [rows, columns] as these kernels take it.
struct MatrixPanels {
  kernels::Format format = kernels::Format::f32;
  bool in_rows = false;  // where a file has it, see PackedLinearProblem
  std::int64_t rows = 0, columns = 0;
  const std::byte* at = nullptr;
};

// A float32 matrix [rows, columns] where it lies, for a product with x; none where the runtime has
// another way: x has few rows, numerics are not fast, or a kernel that is forced does not take it.
std::optional<MatrixPanels> panels_in_rows(const Runtime& runtime, const at::Tensor& x,
                                           const at::Tensor& matrix);

// What becomes of a product: its bias, f, a gate or none, then a residual.
struct BehindProduct {
  at::Tensor bias = {};  // [rows], or undefined
  kernels::Activation activation = kernels::Activation::none;
  bool gated = false;    // f(first half of the results) times the second half
  at::Tensor plus = {};  // shaped like the result or broadcast to it, or undefined
};

// x [..., columns] -> [..., rows], or half as many where it is gated; float32.
at::Tensor product_with_panels(const Runtime& runtime, const Normed& x, const MatrixPanels& matrix,
                               const BehindProduct& behind);

}  // namespace instructblip::nn
