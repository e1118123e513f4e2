// RMSNorm in one trip over memory, where a composition of tensor operations makes six: rows of a
// step are short, so that what an operation costs by itself is most of it. Squares are added up in
// sixteen lanes.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/rms_norm.h"

namespace instructblip::kernels::cpu {

// What a row is multiplied with.
inline float rms_scale(float sum_of_squares, std::int64_t width, float eps) {
  return 1.0f / std::sqrt(sum_of_squares / static_cast<float>(width) + eps);
}

void rms_norm_avx512(const RmsNormProblem& problem, const RmsNormBuffers& buffers, Queue& queue);
void rms_norm_avx2(const RmsNormProblem& problem, const RmsNormBuffers& buffers, Queue& queue);
void rms_norm_portable(const RmsNormProblem& problem, const RmsNormBuffers& buffers, Queue& queue);

}  // namespace instructblip::kernels::cpu
