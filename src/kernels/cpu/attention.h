// Attention of whole sequences: keys and values of a head are packed as products take them, a block
// of rows at a time has all its scores, their softmax, then the values in order of positions. So no
// sum depends on how rows are divided into blocks or tasks.
#pragma once

#include "kernels/attention.h"

namespace instructblip::kernels::cpu {

void attention_avx512(const AttentionProblem& problem, const AttentionBuffers& buffers,
                      Queue& queue);
void attention_avx2(const AttentionProblem& problem, const AttentionBuffers& buffers, Queue& queue);
void attention_portable(const AttentionProblem& problem, const AttentionBuffers& buffers,
                        Queue& queue);

}  // namespace instructblip::kernels::cpu
