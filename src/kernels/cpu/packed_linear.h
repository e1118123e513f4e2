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

// The same for weights of bfloat16: rows are rounded to it, and the products of two inputs, or of
// 32 by tiles, are added up in an order of the processor's.
void packed_linear_bf16_avx512(const PackedLinearProblem& problem,
                               const PackedLinearBuffers& buffers, Queue& queue);
void packed_linear_bf16_portable(const PackedLinearProblem& problem,
                                 const PackedLinearBuffers& buffers, Queue& queue);
// By the tiles of AMX, or by loops that stand for them.
void packed_linear_bf16_amx(const PackedLinearProblem& problem, const PackedLinearBuffers& buffers,
                            Queue& queue);
void packed_linear_bf16_tiles_portable(const PackedLinearProblem& problem,
                                       const PackedLinearBuffers& buffers, Queue& queue);

// The same but for weights of 8 or 4 bits: rows are rounded to 8 bits, or to 16 where the
// instructions take them with weights of 8, 32 inputs with a scale of their own.
void packed_linear_bytes_avx512_vnni(const PackedLinearProblem& problem,
                                     const PackedLinearBuffers& buffers, Queue& queue);
void packed_linear_bytes_avx_vnni(const PackedLinearProblem& problem,
                                  const PackedLinearBuffers& buffers, Queue& queue);
void packed_linear_bytes_avx2(const PackedLinearProblem& problem,
                              const PackedLinearBuffers& buffers, Queue& queue);
void packed_linear_bytes_portable(const PackedLinearProblem& problem,
                                  const PackedLinearBuffers& buffers, Queue& queue);

}  // namespace instructblip::kernels::cpu
