// What the files of one instruction set compute of a norm. Known to them, so it includes nothing
// that brings functions with it.
#pragma once

#include <cstdint>

namespace instructblip::kernels::cpu {

// What a row is normalised by: (x - mean) * scale.
struct Normaliser {
  float mean;  // 0: an RMSNorm
  float scale;
};

struct NormRow {
  float (*sum)(const float* x, std::int64_t width);
  // The sum of (x - mean)^2.
  float (*sum_of_squares)(const float* x, float mean, std::int64_t width);
  // y = ((x - mean) * scale) * weight + bias, each operation rounded; bias may be null.
  void (*normalise)(const float* x, const Normaliser& by, const float* weight, const float* bias,
                    std::int64_t width, float* y);
};

NormRow norm_row_avx512();
NormRow norm_row_avx2();
NormRow norm_row_portable();

}  // namespace instructblip::kernels::cpu
