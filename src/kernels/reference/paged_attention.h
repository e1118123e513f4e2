#pragma once

#include "kernels/paged_attention.h"

namespace instructblip::kernels::reference {

// In double precision, but for the roundings to float that the contract asks for.
void paged_attention(const PagedAttentionProblem& problem, const PagedAttentionBuffers& buffers,
                     Queue& queue);

}  // namespace instructblip::kernels::reference
