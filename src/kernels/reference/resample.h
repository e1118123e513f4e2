#pragma once

#include "kernels/resample.h"

namespace instructblip::kernels::reference {

// One byte after the other, as the contract says.
void resample(const ResampleProblem& problem, const ResampleBuffers& buffers, Queue& queue);

}  // namespace instructblip::kernels::reference
