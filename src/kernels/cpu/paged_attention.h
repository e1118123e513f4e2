// Attention over pages, in two passes over the positions: all scores, their softmax, then the
// values in order of positions. So no sum depends on how positions are divided into pages, or rows
// into tasks.
#pragma once

#include "kernels/paged_attention.h"

namespace instructblip::kernels::cpu {

void paged_attention_avx512(const PagedAttentionProblem& problem,
                            const PagedAttentionBuffers& buffers, Queue& queue);
void paged_attention_avx2(const PagedAttentionProblem& problem,
                          const PagedAttentionBuffers& buffers, Queue& queue);
void paged_attention_portable(const PagedAttentionProblem& problem,
                              const PagedAttentionBuffers& buffers, Queue& queue);

}  // namespace instructblip::kernels::cpu
