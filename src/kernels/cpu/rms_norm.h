// RMSNorm in one trip over memory, where a composition of tensor operations makes six: rows of a
// step are short, so that what an operation costs by itself is most of it. Squares are added up in
// sixteen lanes.
#pragma once

#include "kernels/rms_norm.h"

namespace instructblip::kernels::cpu {

void rms_norm_avx512(const RmsNormProblem& problem, const RmsNormBuffers& buffers, Queue& queue);
void rms_norm_avx2(const RmsNormProblem& problem, const RmsNormBuffers& buffers, Queue& queue);
void rms_norm_portable(const RmsNormProblem& problem, const RmsNormBuffers& buffers, Queue& queue);

}  // namespace instructblip::kernels::cpu
