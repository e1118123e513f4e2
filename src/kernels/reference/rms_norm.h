#pragma once

#include "kernels/rms_norm.h"

namespace instructblip::kernels::reference {

// In double precision, rounded once.
void rms_norm(const RmsNormProblem& problem, const RmsNormBuffers& buffers, Queue& queue);

}  // namespace instructblip::kernels::reference
