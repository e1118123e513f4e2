#include "nn/attention.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/masked_fill.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/repeat_interleave.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/triu.h>

#include <limits>

#include "nn/fixed_order.h"

namespace instructblip::nn {
namespace {

// [B, H, q, d] -> [B, q, H * d].
at::Tensor merge_heads(const at::Tensor& x) {
  const at::Tensor merged = x.transpose(1, 2).contiguous();
  return merged.view({x.size(0), x.size(2), x.size(1) * x.size(3)});
}

// a b^T and a b.
at::Tensor times_transposed(const at::Tensor& a, const at::Tensor& b) {
  return fixed_order() ? fixed_order_product(a, b) : at::matmul(a, b.transpose(-1, -2));
}
at::Tensor times(const at::Tensor& a, const at::Tensor& b) {
  return fixed_order() ? fixed_order_product(a, b.transpose(-1, -2)) : at::matmul(a, b);
}

at::Tensor composed(const at::Tensor& queries, const at::Tensor& keys, const at::Tensor& values,
                    const AttentionOptions& options) {
  at::Tensor scores = times_transposed(queries, keys);  // [B, H, q, k]
  if (options.divisor != 1.0) scores = scores / options.divisor;
  if (options.bias.defined()) scores += options.bias;
  if (options.causal) {
    const at::Tensor later =
        at::ones({scores.size(2), scores.size(3)}, at::dtype(at::kBool)).triu(1);
    scores.masked_fill_(later, -std::numeric_limits<double>::infinity());
  }
  return times(at::softmax(scores, -1), values);  // [B, H, q, d]
}

// Attention over a shared segment and a tail of its own for each row. Every key of the segment is
// read once for all rows: the rows become queries of one matrix product.
at::Tensor two_part(const at::Tensor& queries, const KvView& cache,
                    const AttentionOptions& options) {
  const std::int64_t rows = queries.size(0);
  const std::int64_t heads = cache.tail_keys.size(1);  // of the keys
  const std::int64_t group = queries.size(1) / heads;
  const std::int64_t width = queries.size(3);
  const at::Tensor q = queries.view({rows, heads, group, width});  // [R, H/G, G, d]

  at::Tensor scores = times_transposed(q, cache.tail_keys);  // [R, H/G, G, T]
  std::int64_t shared = 0;
  if (cache.shared_keys.defined()) {
    shared = cache.shared_keys.size(2);
    const at::Tensor together = q.transpose(0, 1).reshape({heads, rows * group, width});
    const at::Tensor over_shared =
        times_transposed(together, cache.shared_keys[0])  // [H/G, R * G, P]
            .view({heads, rows, group, shared})
            .transpose(0, 1);
    scores = at::cat({over_shared, scores}, -1);  // [R, H/G, G, P + T]
  }
  if (options.divisor != 1.0) scores = scores / options.divisor;
  if (options.bias.defined()) {
    scores += options.bias.view({1, heads, group, scores.size(-1)});
  }
  const at::Tensor weights = at::softmax(scores, -1);
  at::Tensor out = times(weights.narrow(-1, shared, weights.size(-1) - shared), cache.tail_values);
  if (shared > 0) {
    const at::Tensor together =
        weights.narrow(-1, 0, shared).transpose(0, 1).reshape({heads, rows * group, shared});
    out += times(together, cache.shared_values[0])  // [H/G, R * G, d]
               .view({heads, rows, group, width})
               .transpose(0, 1);
  }
  return out.reshape({rows, 1, heads * group * width});
}

}  // namespace

at::Tensor attention(const at::Tensor& queries, const at::Tensor& keys, const at::Tensor& values,
                     const AttentionOptions& options) {
  const bool grouped = queries.size(1) != keys.size(1);
  if (options.order == AttentionOrder::composed) {
    return merge_heads(composed(queries, keys, values, options));
  }
  if (fixed_order()) {
    const std::int64_t group = queries.size(1) / keys.size(1);
    const auto for_each_query = [&](const at::Tensor& x) {
      return grouped ? at::repeat_interleave(x, group, 1) : x;
    };
    return merge_heads(composed(queries, for_each_query(keys), for_each_query(values), options));
  }
  return merge_heads(at::scaled_dot_product_attention(queries, keys, values, /*attn_mask=*/{},
                                                      /*dropout_p=*/0.0, options.causal,
                                                      1.0 / options.divisor, grouped));
}

at::Tensor cached_attention(const at::Tensor& queries, const KvView& cache,
                            const AttentionOptions& options) {
  if (cache.tail_keys.defined()) return two_part(queries, cache, options);
  return attention(queries, cache.shared_keys, cache.shared_values, options);
}

at::Tensor split_heads(const at::Tensor& x, std::int64_t heads) {
  return x.view({x.size(0), x.size(1), heads, x.size(2) / heads}).transpose(1, 2);
}

}  // namespace instructblip::nn
