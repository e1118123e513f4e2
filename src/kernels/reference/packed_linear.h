#pragma once

#include "kernels/packed_linear.h"

namespace instructblip::kernels::reference {

void packed_linear(const PackedLinearProblem& problem, const PackedLinearBuffers& buffers,
                   Queue& queue);

}  // namespace instructblip::kernels::reference
