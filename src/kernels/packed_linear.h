// y = f(x w^T + bias) + plus over a packed matrix, or f of its first half times the second half,
// where x may be normalised while it is read: the contract, and the table of its kernels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "kernels/activation.h"
#include "kernels/number.h"
#include "kernels/panels.h"
#include "kernels/queue.h"
#include "kernels/registry.h"

namespace instructblip::kernels {

// Sizes may be 0; a sum of nothing is 0.
struct PackedLinearProblem {
  std::int64_t rows = 0;
  std::int64_t inputs = 0;
  std::int64_t outputs = 0;  // rows of the matrix
  Format weights = Format::f32;
  // Whether rows may be rounded to bf16 where weights are. With w8 and w4 they may always be.
  bool may_round = false;
  // Whether the matrix lies row by row, as a file has it, not in panels; float32 alone.
  bool in_rows = false;
  Activation activation = Activation::none;  // f
  // The matrix is two halves of a whole number of panels each: y = f(x first^T) * x second^T, each
  // with its bias.
  bool gated = false;
  float eps = 0.0f;      // what the norm before it adds to the mean square, where there is one
  bool centred = false;  // whether that norm is a LayerNorm, not an RMSNorm

  // Numbers of a row of y.
  std::int64_t results() const { return gated ? outputs / 2 : outputs; }
};

// All of them contiguous. Products are added up in float32, whatever the weights are held as.
struct PackedLinearBuffers {
  const float* x;            // [rows, inputs]
  const std::byte* weights;  // panels of [outputs, inputs], see panels.h; in rows the matrix itself
  const float* bias;         // [outputs], added to the rounded product; or null
  const float* plus;         // [rows, results()], added last; or null. May be y.
  float* y;                  // [rows, results()]
  // [inputs], the weight and the bias of a norm that stands before the product, with the bits that
  // the kernels of norm.h give; or null
  const float* norm = nullptr;
  const float* norm_bias = nullptr;
};

// What is multiplied where weights are of bf16, of 8 and of 4 bits; of all others it is float32.
struct Multiplied {
  Number with_bf16 = Number::f32, with_8_bits = Number::f32, with_4_bits = Number::f32;

  Number with(Format weights) const {
    switch (weights) {
      case Format::bf16:
        return with_bf16;
      case Format::w8:
        return with_8_bits;
      case Format::w4:
        return with_4_bits;
      case Format::f32:
      case Format::f16:
        break;
    }
    return Number::f32;
  }
};

struct PackedLinearKernel {
  static constexpr std::string_view kOperation = "packed_linear";

  std::string_view name;
  Traits traits;
  Support (*supports)(const PackedLinearProblem&, const Machine&);
  void (*run)(const PackedLinearProblem&, const PackedLinearBuffers&, Queue&);
  Multiplied multiplied = {};
};

// Best first, "reference" last.
std::span<const PackedLinearKernel> packed_linear_kernels();

}  // namespace instructblip::kernels
