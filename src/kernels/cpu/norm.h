// A norm in one trip over memory, where a composition of tensor operations makes up to six: rows of
// a step are short, so that what an operation costs by itself is most of it. Sums are made in
// sixteen lanes, that of squares behind that of a LayerNorm's mean.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/cpu/norm_rows.h"
#include "kernels/norm.h"

namespace instructblip::kernels::cpu {

inline Normaliser normaliser_of(const NormRow& kernel, const float* x, const NormProblem& problem) {
  const auto width = static_cast<float>(problem.width);
  const float mean = problem.centred ? kernel.sum(x, problem.width) / width : 0.0f;
  const float mean_square = kernel.sum_of_squares(x, mean, problem.width) / width;
  return {.mean = mean, .scale = 1.0f / std::sqrt(mean_square + problem.eps)};
}

void norm_avx512(const NormProblem& problem, const NormBuffers& buffers, Queue& queue);
void norm_avx2(const NormProblem& problem, const NormBuffers& buffers, Queue& queue);
void norm_portable(const NormProblem& problem, const NormBuffers& buffers, Queue& queue);

}  // namespace instructblip::kernels::cpu
