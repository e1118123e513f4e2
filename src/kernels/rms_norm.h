// y = x / sqrt(mean(x^2) + eps) * weight of each row: the contract, and the table of its kernels.
// Zhang and Sennrich, Root Mean Square Layer Normalization, 2019.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "kernels/queue.h"
#include "kernels/registry.h"

namespace instructblip::kernels {

struct RmsNormProblem {
  std::int64_t rows = 0;
  std::int64_t width = 0;  // numbers in a row; at least 1
  float eps = 0.0f;
};

struct RmsNormBuffers {
  const float* x;       // [rows, width]
  const float* weight;  // [width]
  float* y;             // [rows, width]; may be x
};

struct RmsNormKernel {
  static constexpr std::string_view kOperation = "rms_norm";

  std::string_view name;
  Traits traits;
  Support (*supports)(const RmsNormProblem&, const Machine&);
  void (*run)(const RmsNormProblem&, const RmsNormBuffers&, Queue&);
};

// Best first, "reference" last.
std::span<const RmsNormKernel> rms_norm_kernels();

}  // namespace instructblip::kernels
