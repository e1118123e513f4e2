// Linear kernels whose sums do not depend on what is computed beside them: each runs over 16 lanes
// of the inputs, lane i taking the inputs i, i + 16, ..., and the lanes are then added pairwise.
// Where the processor multiplies and adds in one operation, that is rounded once.
#pragma once

#include "kernels/linear.h"

namespace instructblip::kernels::cpu {

void linear_avx512(const LinearProblem& problem, const LinearBuffers& buffers, Queue& queue);
void linear_avx2(const LinearProblem& problem, const LinearBuffers& buffers, Queue& queue);
void linear_portable(const LinearProblem& problem, const LinearBuffers& buffers, Queue& queue);

}  // namespace instructblip::kernels::cpu
