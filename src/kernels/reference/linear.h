#pragma once

#include "kernels/linear.h"

namespace instructblip::kernels::reference {

// Sums in double precision, rounded once to float.
void linear(const LinearProblem& problem, const LinearBuffers& buffers, Queue& queue);

}  // namespace instructblip::kernels::reference
