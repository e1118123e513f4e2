// Norms of rows: the contract, and the table of its kernels.
//
//   RMSNorm     y = x / sqrt(mean(x^2) + eps) * weight
//   LayerNorm   y = (x - mean(x)) / sqrt(variance(x) + eps) * weight + bias
//
// The variance is the biased one. Ba, Kiros and Hinton, Layer Normalization, 2016; Zhang and
// Sennrich, Root Mean Square Layer Normalization, 2019.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "kernels/queue.h"
#include "kernels/registry.h"

namespace instructblip::kernels {

struct NormProblem {
  std::int64_t rows = 0;
  std::int64_t width = 0;  // numbers in a row; at least 1
  float eps = 0.0f;
  bool centred = false;  // LayerNorm; false: RMSNorm
};

struct NormBuffers {
  const float* x;       // [rows, width]
  const float* weight;  // [width]
  const float* bias;    // [width], added last; or null
  float* y;             // [rows, width]; may be x
};

struct NormKernel {
  static constexpr std::string_view kOperation = "norm";

  std::string_view name;
  Traits traits;
  Support (*supports)(const NormProblem&, const Machine&);
  void (*run)(const NormProblem&, const NormBuffers&, Queue&);
};

// Best first, "reference" last.
std::span<const NormKernel> norm_kernels();

}  // namespace instructblip::kernels
