#pragma once

#include "kernels/resample.h"

namespace instructblip::kernels::cpu {

void resample_avx2(const ResampleProblem& problem, const ResampleBuffers& buffers, Queue& queue);
void resample_portable(const ResampleProblem& problem, const ResampleBuffers& buffers,
                       Queue& queue);

}  // namespace instructblip::kernels::cpu
