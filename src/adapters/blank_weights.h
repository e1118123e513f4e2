// Weights of nothing but zeros: what is left where a download took the whole room of a file and
// ended early.
#pragma once

#include "checkpoint/tensor_store.h"

namespace instructblip {

// Looks at a few bytes of each matrix and at the weights of norms. Throws Error(bad_model) for a
// file that no training has written: norms of zeros, or no matrix with a value. Warns of single
// matrices of zeros, which a model may have, and of adapters that change nothing.
void check_not_blank(const TensorStore& tensors);

}  // namespace instructblip
