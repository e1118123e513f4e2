// Scaled dot-product attention: the one place where the stages attend.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "nn/heads.h"
#include "nn/rows.h"
#include "nn/runtime.h"

namespace instructblip::nn {

// softmax(q k^T / divisor + bias) v, in the order of operations that the reference uses in the
// stage, so that float32 results agree to the last bits; fast numerics have a kernel's order:
enum class AttentionOrder {
  fused,     // one pass over the keys, torch's scaled_dot_product_attention: ViT, LLaMA
  composed,  // product, division, bias, softmax, product, each rounded: Q-Former, T5
};

struct AttentionOptions {
  const Runtime* runtime;
  AttentionOrder order = AttentionOrder::fused;
  double divisor = 1.0;      // what scores are divided by: sqrt(d), or 1 in T5
  double query_scale = 1.0;  // what queries are multiplied with before, in OPT: other roundings
  bool causal = false;       // a row of a sequence does not see later ones

  // What kernels divide scores by, whose sums are not rounded on the way.
  double whole_divisor() const { return divisor / query_scale; }
};

// B sequences of one length: queries [B, n, H, d], keys and values [B, m, G, d] -> [B, n, H * d].
at::Tensor attend(const Heads& heads, const AttentionOptions& options);

// Packed sequences, each to itself and to what its cache holds: queries [N, H, d], keys and values
// [N, G, d], N rows of all -> [N, H * d]. Keys and values are added to layer `layer` of the caches,
// whose step has been begun. Hypotheses without keys and values look at what the caches hold. A
// sequence that extends a cache is causal.
at::Tensor attend(const Heads& heads, const Rows& rows, std::int64_t layer,
                  const AttentionOptions& options);

// Adds keys and values [N, G, d] of packed sequences to layer `layer` of the caches, whose step has
// been begun.
void remember(const Heads& heads, const Rows& rows, std::int64_t layer);

}  // namespace instructblip::nn
