// Scaled dot-product attention: the one place where the stages attend.
#pragma once

#include <ATen/core/Tensor.h>

#include "nn/kv_cache.h"

namespace instructblip::nn {

// B batch | H heads | G query heads per key head | q, k positions | d width of a head
//
// softmax(q k^T / divisor + bias) v, in the order of operations that the reference uses in the
// stage, so that float32 results agree to the last bits:
enum class AttentionOrder {
  fused,     // one pass over the keys, torch's scaled_dot_product_attention: ViT, LLaMA
  composed,  // product, division, bias, softmax, product, each rounded: Q-Former, T5
};

struct AttentionOptions {
  AttentionOrder order = AttentionOrder::fused;
  double divisor = 1.0;  // of the scores: sqrt(d), or 1 in T5
  bool causal = false;
  at::Tensor bias = {};  // [1, H, q, k], added to the scores; composed order only
};

// queries [B, H, q, d], keys and values [B, H / G, k, d] -> [B, q, H * d].
at::Tensor attention(const at::Tensor& queries, const at::Tensor& keys, const at::Tensor& values,
                     const AttentionOptions& options);

// One new position for each of R hypotheses: queries [R, H, 1, d] -> [R, 1, H * d]. `options.bias`
// is [1, H, 1, P + T]; causality needs no mask, since a cache holds nothing later.
at::Tensor cached_attention(const at::Tensor& queries, const KvView& cache,
                            const AttentionOptions& options);

// [B, T, H * d] -> [B, H, T, d], a view.
at::Tensor split_heads(const at::Tensor& x, std::int64_t heads);

}  // namespace instructblip::nn
