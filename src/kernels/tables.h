// All tables of kernels: one for each operation that has any, best entry first.
#pragma once

#include <span>

#include "kernels/attention.h"
#include "kernels/cuda/kernels.h"
#include "kernels/kv_append.h"
#include "kernels/linear.h"
#include "kernels/norm.h"
#include "kernels/packed_linear.h"
#include "kernels/paged_attention.h"

namespace instructblip::kernels {

// Those of the processor, unless another device fills in its own.
struct Tables {
  std::span<const AttentionKernel> attention = attention_kernels();
  std::span<const KvAppendKernel> kv_append = kv_append_kernels();
  std::span<const LinearKernel> linear = linear_kernels();
  std::span<const NormKernel> norm = norm_kernels();
  std::span<const PackedLinearKernel> packed_linear = packed_linear_kernels();
  std::span<const PagedAttentionKernel> paged_attention = paged_attention_kernels();
  cuda::Tables cuda = {};  // for rows of half precision, on a device
};

}  // namespace instructblip::kernels
