// Keys and values in pages: what goes in, and what attends to them. By kernels where the runtime
// has tables of them, else as ATen compositions.
#pragma once

#include <ATen/core/Tensor.h>

#include "nn/kv_cache.h"

namespace instructblip::nn {

// Keys and values [n, G, d] into the newest slots of `to`.
void append_to_pages(const at::Tensor& keys, const at::Tensor& values, const KvView& to);

struct PagedOptions {
  double divisor = 1.0;     // what scores are divided by
  at::Tensor lengths = {};  // [R] int32, how many of the shared positions each row sees; undefined:
                            // all of them. Not where rows have a tail.
  at::Tensor bias = {};     // [H, 1, P + T], added to the scores, or undefined
};

// softmax(q k^T / divisor + bias) v: queries [R, H, d] over all that `over` shows to them ->
// [R, H * d].
at::Tensor attend_to_pages(const at::Tensor& queries, const KvView& over,
                           const PagedOptions& options);

}  // namespace instructblip::nn
