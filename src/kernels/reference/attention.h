#pragma once

#include "kernels/attention.h"

namespace instructblip::kernels::reference {

// In double precision, but for the roundings to float that the contract asks for.
void attention(const AttentionProblem& problem, const AttentionBuffers& buffers, Queue& queue);

}  // namespace instructblip::kernels::reference
