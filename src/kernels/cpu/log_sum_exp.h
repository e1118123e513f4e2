// Log of sums of exponentials, as torch's CPU kernel computes them on a machine with AVX-512, bit
// by bit in about 998 of 1000 rows (elsewhere one unit in the last place): exp as in SLEEF's expf
// (1.0 ULP, fused multiply-add), summed in sixteen lanes, then log as in SLEEF's logf.
#pragma once

#include "kernels/log_sum_exp.h"

namespace instructblip::kernels::cpu {

void log_sum_exp_avx512(const LogSumExpProblem& problem, const LogSumExpBuffers& buffers,
                        Queue& queue);
void log_sum_exp_avx2(const LogSumExpProblem& problem, const LogSumExpBuffers& buffers,
                      Queue& queue);
void log_sum_exp_portable(const LogSumExpProblem& problem, const LogSumExpBuffers& buffers,
                          Queue& queue);

}  // namespace instructblip::kernels::cpu
