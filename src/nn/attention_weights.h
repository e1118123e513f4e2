// What an attention looks at, beside what it computes: for explanations, not for any forward.
#pragma once

#include <ATen/core/Tensor.h>

#include "nn/attention.h"
#include "nn/heads.h"

namespace instructblip::nn {

// softmax(q k^T / divisor), in the reference's order of operations: queries [B, n, H, d], keys
// [B, m, H, d] -> [B, H, n, m]. Not causal.
at::Tensor attention_weights(const Heads& heads, const AttentionOptions& options);

// attend() to B sequences of one length in the composed order, not causal, with the weights [B, H,
// n, m] that went into it, so that gradients go back to them.
struct AttendedBy {
  at::Tensor rows;     // [B, n, H * d]
  at::Tensor weights;  // [B, H, n, m]
};
AttendedBy attend_showing_weights(const Heads& heads, const AttentionOptions& options);

}  // namespace instructblip::nn
