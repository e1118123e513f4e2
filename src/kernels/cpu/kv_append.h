#pragma once

#include "kernels/kv_append.h"

namespace instructblip::kernels::cpu {

// Copies a head's vector at a time; positions are shared out.
void kv_append_portable(const KvAppendProblem& problem, const KvAppendBuffers& buffers,
                        Queue& queue);

}  // namespace instructblip::kernels::cpu
