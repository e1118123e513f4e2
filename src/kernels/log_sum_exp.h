// The normaliser of log-softmax: the contract, and the table of its kernels.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "kernels/queue.h"
#include "kernels/registry.h"

namespace instructblip::kernels {

// For each row x its largest number max, and log of the sum of exp(x - max), which is at least 0.
struct LogSumExpProblem {
  std::int64_t rows = 0;
  std::int64_t size = 0;  // numbers in a row; at least 1
};

// Rows hold no NaN and no +inf, and one finite number at least.
struct LogSumExpBuffers {
  const float* x;  // [rows, size]
  float* max;      // [rows]
  float* log_sum;  // [rows]
};

struct LogSumExpKernel {
  static constexpr std::string_view kOperation = "log_sum_exp";

  std::string_view name;
  Traits traits;
  Support (*supports)(const LogSumExpProblem&, const Machine&);
  void (*run)(const LogSumExpProblem&, const LogSumExpBuffers&, Queue&);
};

// Best first, "reference" last.
std::span<const LogSumExpKernel> log_sum_exp_kernels();

}  // namespace instructblip::kernels
