// What the files of one instruction set compute of a log of a sum of exponentials. Known to them,
// so it includes nothing that brings functions with it.
#pragma once

#include <cstdint>

namespace instructblip::kernels::cpu {

struct SumExp {
  float max, sum;  // the largest number, and the sum of exp(x - max)
};

using RunSumExp = SumExp (*)(const float* x, std::int64_t size);

SumExp sum_exp_avx512(const float* x, std::int64_t size);
SumExp sum_exp_avx2(const float* x, std::int64_t size);
SumExp sum_exp_portable(const float* x, std::int64_t size);

}  // namespace instructblip::kernels::cpu
