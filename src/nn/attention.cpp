#include "nn/attention.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/softmax.h>

namespace instructblip::nn {
namespace {

// [B, H, q, d] -> [B, q, H * d].
at::Tensor merge_heads(const at::Tensor& x) {
  const at::Tensor merged = x.transpose(1, 2).contiguous();
  return merged.view({x.size(0), x.size(2), x.size(1) * x.size(3)});
}

at::Tensor composed(const at::Tensor& queries, const at::Tensor& keys, const at::Tensor& values,
                    const AttentionOptions& options) {
  at::Tensor scores = at::matmul(queries, keys.transpose(-1, -2));  // [B, H, q, k]
  if (options.divisor != 1.0) scores = scores / options.divisor;
  if (options.bias.defined()) scores += options.bias;
  return at::matmul(at::softmax(scores, -1), values);  // [B, H, q, d]
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

  at::Tensor scores = at::matmul(q, cache.tail_keys.transpose(-1, -2));  // [R, H/G, G, T]
  std::int64_t shared = 0;
  if (cache.shared_keys.defined()) {
    shared = cache.shared_keys.size(2);
    const at::Tensor together = q.transpose(0, 1).reshape({heads, rows * group, width});
    const at::Tensor over_shared =
        at::matmul(together, cache.shared_keys[0].transpose(-1, -2))  // [H/G, R * G, P]
            .view({heads, rows, group, shared})
            .transpose(0, 1);
    scores = at::cat({over_shared, scores}, -1);  // [R, H/G, G, P + T]
  }
  if (options.divisor != 1.0) scores = scores / options.divisor;
  if (options.bias.defined()) {
    scores += options.bias.view({1, heads, group, scores.size(-1)});
  }
  const at::Tensor weights = at::softmax(scores, -1);
  at::Tensor out =
      at::matmul(weights.narrow(-1, shared, weights.size(-1) - shared), cache.tail_values);
  if (shared > 0) {
    const at::Tensor together =
        weights.narrow(-1, 0, shared).transpose(0, 1).reshape({heads, rows * group, shared});
    out += at::matmul(together, cache.shared_values[0])  // [H/G, R * G, d]
               .view({heads, rows, group, width})
               .transpose(0, 1);
  }
  return out.reshape({rows, 1, heads * group * width});
}

}  // namespace

at::Tensor attention(const at::Tensor& queries, const at::Tensor& keys, const at::Tensor& values,
                     const AttentionOptions& options) {
  if (options.order == AttentionOrder::composed) {
    return merge_heads(composed(queries, keys, values, options));
  }
  const bool grouped = queries.size(1) != keys.size(1);
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
