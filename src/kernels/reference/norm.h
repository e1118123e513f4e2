#pragma once

#include "kernels/norm.h"

namespace instructblip::kernels::reference {

// In double precision, rounded once.
void norm(const NormProblem& problem, const NormBuffers& buffers, Queue& queue);

}  // namespace instructblip::kernels::reference
