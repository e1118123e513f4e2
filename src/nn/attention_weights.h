// What an attention looks at, beside what it computes: for explanations, not for any forward.
#pragma once

#include <ATen/core/Tensor.h>

#include "nn/attention.h"
#include "nn/heads.h"

namespace instructblip::nn {

// softmax(q k^T / divisor), in the reference's order of operations: queries [B, n, H, d], keys
// [B, m, H, d] -> [B, H, n, m]. Not causal.
at::Tensor attention_weights(const Heads& heads, const AttentionOptions& options);

}  // namespace instructblip::nn
