// y = x w^T + bias: the contract, and the table of its kernels.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "core/dtype.h"
#include "kernels/queue.h"
#include "kernels/registry.h"

namespace instructblip::kernels {

// Products of `batch` pairs of matrices. Rows that share one matrix are one batch. Sizes may be 0;
// a sum of nothing is 0.
struct LinearProblem {
  std::int64_t batch = 1;
  std::int64_t rows = 0;
  std::int64_t inputs = 0;
  std::int64_t outputs = 0;
  DType weights = DType::f32;  // f32, f16 or bf16: widened to float32, which is exact
};

// All of them contiguous.
struct LinearBuffers {
  const float* x;       // [batch, rows, inputs]
  const void* weights;  // [batch, outputs, inputs]
  const float* bias;    // [outputs], added to the rounded product; or null
  float* y;             // [batch, rows, outputs]
};

struct LinearKernel {
  static constexpr std::string_view kOperation = "linear";

  std::string_view name;
  Traits traits;
  Support (*supports)(const LinearProblem&, const Machine&);
  void (*run)(const LinearProblem&, const LinearBuffers&, Queue&);
  // Rows up to which it multiplies float32 weights no slower where they lie than packed_linear
  // does, which brings them into another order first.
  std::int64_t few_rows = 16;
};

// Best first, "reference" last.
std::span<const LinearKernel> linear_kernels();

}  // namespace instructblip::kernels
