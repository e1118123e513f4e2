// Attention of whole sequences by the kernels of the processor.
#pragma once

#include <ATen/core/Tensor.h>

#include "nn/attention.h"
#include "nn/heads.h"

namespace instructblip::nn {

// queries [B, n, H, d], keys and values [B, m, G, d] -> [B, n, H * d]; undefined where numerics are
// not fast, or there is no such kernel. `bias` is that of each head by the distance between a query
// and a key, as kernels/attention.h has it, [H, n + m - 1] contiguous, or undefined.
at::Tensor attend_by_kernel(const Heads& heads, const AttentionOptions& options,
                            const at::Tensor& bias = {});

}  // namespace instructblip::nn
