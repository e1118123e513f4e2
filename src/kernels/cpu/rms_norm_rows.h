// What the files of one instruction set compute of an RMSNorm. Known to them, so it includes
// nothing that brings functions with it.
#pragma once

#include <cstdint>

namespace instructblip::kernels::cpu {

struct RmsNormRow {
  float (*sum_of_squares)(const float* x, std::int64_t width);
  // y = (x * scale) * weight, each product rounded.
  void (*scale)(const float* x, float scale, const float* weight, std::int64_t width, float* y);
};

RmsNormRow rms_norm_row_avx512();
RmsNormRow rms_norm_row_avx2();
RmsNormRow rms_norm_row_portable();

}  // namespace instructblip::kernels::cpu
