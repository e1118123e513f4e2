#include "nn/attention.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/masked_fill.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/repeat_interleave.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/triu.h>

#include <cstddef>
#include <limits>

#include "nn/kv_cache.h"
#include "nn/product.h"

namespace instructblip::nn {
namespace {

// [B, H, q, d] -> [B, q, H * d].
at::Tensor merge_heads(const at::Tensor& x) {
  const at::Tensor merged = x.transpose(1, 2).contiguous();
  return merged.view({x.size(0), x.size(2), x.size(1) * x.size(3)});
}

// B sequences as matrix products take them: queries [B, H, q, d], keys and values [B, G, k, d],
// `bias` [H, q, k] or undefined -> [B, H, q, d].
at::Tensor composed(const at::Tensor& queries, const at::Tensor& keys, const at::Tensor& values,
                    const at::Tensor& bias, const AttentionOptions& options) {
  at::Tensor scores = product(*options.runtime, queries, keys);  // [B, H, q, k]
  if (options.divisor != 1.0) scores = scores / options.divisor;
  if (bias.defined()) scores += bias;
  if (options.causal) {
    const at::Tensor later =
        at::ones({scores.size(2), scores.size(3)}, at::dtype(at::kBool)).triu(1);
    scores.masked_fill_(later, -std::numeric_limits<double>::infinity());
  }
  return product(*options.runtime, at::softmax(scores, -1), values.transpose(-1, -2));
}

at::Tensor attention(const at::Tensor& queries, const at::Tensor& keys, const at::Tensor& values,
                     const at::Tensor& bias, const AttentionOptions& options) {
  const std::int64_t group = queries.size(1) / keys.size(1);
  if (options.order == AttentionOrder::composed || options.runtime->deterministic()) {
    const auto for_each_query = [&](const at::Tensor& x) {
      return group > 1 ? at::repeat_interleave(x, group, 1) : x;
    };
    return merge_heads(
        composed(queries, for_each_query(keys), for_each_query(values), bias, options));
  }
  return merge_heads(at::scaled_dot_product_attention(queries, keys, values, /*attn_mask=*/{},
                                                      /*dropout_p=*/0.0, options.causal,
                                                      1.0 / options.divisor, group > 1));
}

// Attention over a shared segment and a tail of its own for each row. Every key of the segment is
// read once for all rows: the rows become queries of one matrix product.
at::Tensor two_part(const at::Tensor& queries, const KvView& cache, const at::Tensor& bias,
                    const AttentionOptions& options) {
  const std::int64_t rows = queries.size(0);
  const std::int64_t heads = cache.tail_keys.size(1);  // of the keys
  const std::int64_t group = queries.size(1) / heads;
  const std::int64_t width = queries.size(2);
  const at::Tensor q = queries.view({rows, heads, group, width});  // [R, H/G, G, d]

  at::Tensor scores = product(*options.runtime, q, cache.tail_keys);  // [R, H/G, G, T]
  std::int64_t shared = 0;
  if (cache.shared_keys.defined()) {
    shared = cache.shared_keys.size(2);
    const at::Tensor together = q.transpose(0, 1).reshape({heads, rows * group, width});
    const at::Tensor over_shared =
        product(*options.runtime, together, cache.shared_keys[0])  // [H/G, R * G, P]
            .view({heads, rows, group, shared})
            .transpose(0, 1);
    scores = at::cat({over_shared, scores}, -1);  // [R, H/G, G, P + T]
  }
  if (options.divisor != 1.0) scores = scores / options.divisor;
  if (bias.defined()) {
    scores += bias.view({1, heads, group, scores.size(-1)});
  }
  const at::Tensor weights = at::softmax(scores, -1);
  at::Tensor out = product(*options.runtime, weights.narrow(-1, shared, weights.size(-1) - shared),
                           cache.tail_values.transpose(-1, -2));
  if (shared > 0) {
    const at::Tensor together =
        weights.narrow(-1, 0, shared).transpose(0, 1).reshape({heads, rows * group, shared});
    out += product(*options.runtime, together,
                   cache.shared_values[0].transpose(-1, -2))  // [H/G, R * G, d]
               .view({heads, rows, group, width})
               .transpose(0, 1);
  }
  return out.reshape({rows, heads * group * width});
}

// A sequence's rows, [n, H, d], as a batch of one for matrix products, [1, H, n, d].
at::Tensor in_front(const at::Tensor& x) { return x.transpose(0, 1).unsqueeze(0); }

// Rows that follow one another: to each other, and to the cache for later.
at::Tensor attend_in_sequence(const Heads& heads, KvCache* cache, std::int64_t layer,
                              const at::Tensor& bias, const AttentionOptions& options) {
  const at::Tensor keys = in_front(heads.keys), values = in_front(heads.values);
  if (cache != nullptr) cache->store_prompt(layer, keys, values);
  return attention(in_front(heads.queries), keys, values, bias, options).squeeze(0);
}

// The newest position of several hypotheses, which sees all that its cache holds.
at::Tensor attend_to_cache(const Heads& heads, KvCache& cache, std::int64_t layer,
                           const at::Tensor& bias, const AttentionOptions& options) {
  const KvView view = heads.keys.defined()
                          ? cache.append(layer, heads.keys.unsqueeze(2), heads.values.unsqueeze(2))
                          : cache.view(layer);
  if (view.tail_keys.defined()) return two_part(heads.queries, view, bias, options);
  AttentionOptions to_all = options;
  to_all.causal = false;
  return attention(in_front(heads.queries), view.shared_keys, view.shared_values, bias, to_all)
      .squeeze(0);
}

Heads of(const Part& part, const Heads& heads) {
  if (!heads.keys.defined()) return {part.of(heads.queries), {}, {}};
  return {part.of(heads.queries), part.of(heads.keys), part.of(heads.values)};
}

}  // namespace

at::Tensor attend(const Heads& heads, const AttentionOptions& options) {
  return attention(heads.queries.transpose(1, 2), heads.keys.transpose(1, 2),
                   heads.values.transpose(1, 2), {}, options);
}

at::Tensor attend(const Heads& heads, const Rows& rows, std::int64_t layer,
                  const AttentionOptions& options) {
  return by_part(rows.parts, 0, [&](const Part& part, std::size_t i) {
    KvCache* const cache = rows.caches.empty() ? nullptr : rows.caches[i];
    const at::Tensor bias = rows.biases.empty() ? at::Tensor() : rows.biases[i];
    const Heads own = of(part, heads);
    return rows.kind == Rows::Kind::sequence ? attend_in_sequence(own, cache, layer, bias, options)
                                             : attend_to_cache(own, *cache, layer, bias, options);
  });
}

void remember(const Heads& heads, const Rows& rows, std::int64_t layer) {
  for (std::size_t i = 0; i < rows.parts.size(); ++i) {
    const Part& part = rows.parts[i];
    rows.caches[i]->store_prompt(layer, in_front(part.of(heads.keys)),
                                 in_front(part.of(heads.values)));
  }
}

}  // namespace instructblip::nn
