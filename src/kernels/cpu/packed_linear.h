// Products with packed weights. Every element is one sum whatever is computed beside it: blocks of
// inputs, each added up from its first to its last and then to the blocks before it.
#pragma once

#include "kernels/packed_linear.h"

namespace instructblip::kernels::cpu {

void packed_linear_avx512(const PackedLinearProblem& problem, const PackedLinearBuffers& buffers,
                          Queue& queue);
void packed_linear_avx2(const PackedLinearProblem& problem, const PackedLinearBuffers& buffers,
                        Queue& queue);
void packed_linear_portable(const PackedLinearProblem& problem, const PackedLinearBuffers& buffers,
                            Queue& queue);

}  // namespace instructblip::kernels::cpu
