#pragma once

#include "kernels/kv_append.h"

namespace instructblip::kernels::reference {

// One element after the other.
void kv_append(const KvAppendProblem& problem, const KvAppendBuffers& buffers, Queue& queue);

}  // namespace instructblip::kernels::reference
