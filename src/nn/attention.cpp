#include "nn/attention.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/masked_fill.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/repeat_interleave.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/triu.h>

#include <cstddef>
#include <limits>
#include <numeric>
#include <vector>

#include "nn/arithmetic.h"
#include "nn/attention_weights.h"
#include "nn/device_attention.h"
#include "nn/gradients.h"
#include "nn/kv_cache.h"
#include "nn/paged.h"
#include "nn/product.h"
#include "nn/relative_bias.h"
#include "nn/rotary.h"
#include "nn/sequence_attention.h"
#include "nn/step_attention.h"

namespace instructblip::nn {
namespace {

// [B, H, q, d] -> [B, q, H * d].
at::Tensor merge_heads(const at::Tensor& x) {
  const at::Tensor merged = x.transpose(1, 2).contiguous();
  return merged.view({x.size(0), x.size(2), x.size(1) * x.size(3)});
}

// How much of each key a query takes: queries [B, H, q, d], keys [B, H, k, d], `bias` [H, q, k] or
// undefined -> [B, H, q, k].
at::Tensor weights(const at::Tensor& queries, const at::Tensor& keys, const at::Tensor& bias,
                   const AttentionOptions& options) {
  at::Tensor scores = product(*options.runtime, queries, keys);  // [B, H, q, k]
  if (options.divisor != 1.0) scores = scores / options.divisor;
  if (bias.defined()) scores += bias;
  if (options.causal) {
    const at::Tensor later =
        at::ones({scores.size(2), scores.size(3)}, options.runtime->options(at::kBool)).triu(1);
    scores.masked_fill_(later, -std::numeric_limits<double>::infinity());
  }
  return at::softmax(scores, -1);
}

// B sequences as matrix products take them: queries [B, H, q, d], keys and values [B, H, k, d],
// `bias` [H, q, k] or undefined -> [B, H, q, d].
at::Tensor composed(const at::Tensor& queries, const at::Tensor& keys, const at::Tensor& values,
                    const at::Tensor& bias, const AttentionOptions& options) {
  return product(*options.runtime, weights(queries, keys, bias, options), values.transpose(-1, -2));
}

at::Tensor attention(const at::Tensor& queries, const at::Tensor& keys, const at::Tensor& values,
                     const at::Tensor& bias, const AttentionOptions& options) {
  const std::int64_t group = queries.size(1) / keys.size(1);
  if (options.order == AttentionOrder::composed || options.runtime->deterministic() ||
      bias.defined()) {
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

// A sequence's rows, [n, H, d], as a batch of one for matrix products, [1, H, n, d].
at::Tensor in_front(const at::Tensor& x) { return x.transpose(0, 1).unsqueeze(0); }

// The biases of one part.
struct PartBias {
  const RowBiases* all;  // or null
  std::size_t part;

  at::Tensor whole() const { return all == nullptr ? at::Tensor() : all->of(part); }
  at::Tensor by_distance() const {
    return all == nullptr ? at::Tensor() : all->by_distance_of(part);
  }
  bool has_distances() const { return all == nullptr || all->has_distances(); }
};

// Rows that follow one another, to which nothing came before.
at::Tensor attend_to_themselves(const Heads& heads, const PartBias& bias,
                                const AttentionOptions& options) {
  if (bias.has_distances()) {
    const Heads batch = {heads.queries.unsqueeze(0), heads.keys.unsqueeze(0),
                         heads.values.unsqueeze(0)};
    const at::Tensor out = attend_by_kernel(batch, options, bias.by_distance());
    if (out.defined()) return out.squeeze(0);
  }
  return attention(in_front(scaled(heads.queries, options.query_scale)), in_front(heads.keys),
                   in_front(heads.values), bias.whole(), options)
      .squeeze(0);
}

// Rows that follow one another.
at::Tensor attend_in_sequence(const Heads& heads, KvCache* cache, std::int64_t layer,
                              const PartBias& bias, const AttentionOptions& options) {
  if (cache != nullptr) cache->append(layer, heads.keys, heads.values);
  const std::int64_t rows = heads.queries.size(0);
  if (cache == nullptr || cache->length() == rows) {
    return attend_to_themselves(heads, bias, options);
  }
  std::vector<std::int32_t> lengths(static_cast<std::size_t>(rows));
  std::iota(lengths.begin(), lengths.end(), static_cast<std::int32_t>(cache->length() - rows + 1));
  return attend_to_pages(scaled(heads.queries, options.query_scale), cache->view(layer),
                         {options.divisor, options.runtime->ids(lengths), bias.whole()});
}

// The newest position of several hypotheses, which sees all that its cache holds.
at::Tensor attend_as_hypotheses(const Heads& heads, KvCache& cache, std::int64_t layer,
                                const at::Tensor& bias, const AttentionOptions& options) {
  if (heads.keys.defined()) cache.append(layer, heads.keys, heads.values);
  const at::Tensor queries = scaled(heads.queries, options.query_scale);
  if (is_watched()) {
    const WatchedKeys all = watched(cache, layer);
    AttentionOptions all_seen = options;
    all_seen.causal = false;
    return attention(in_front(queries), in_front(all.keys), in_front(all.values), bias, all_seen)
        .squeeze(0);
  }
  return attend_to_pages(queries, cache.view(layer), {options.divisor, {}, bias});
}

Heads of(const Part& part, const Heads& heads) {
  if (!heads.keys.defined()) return {part.of(heads.queries), {}, {}};
  return {part.of(heads.queries), part.of(heads.keys), part.of(heads.values)};
}

}  // namespace

at::Tensor attention_weights(const Heads& heads, const AttentionOptions& options) {
  return weights(heads.queries.transpose(1, 2), heads.keys.transpose(1, 2), {}, options);
}

AttendedBy attend_showing_weights(const Heads& heads, const AttentionOptions& options) {
  const at::Tensor shares = attention_weights(heads, options);
  const at::Tensor values = heads.values.transpose(1, 2).transpose(-1, -2);
  return {merge_heads(product(*options.runtime, shares, values)), shares};
}

at::Tensor attend(const Heads& heads, const AttentionOptions& options) {
  if (const at::Tensor out = attend_on_device(heads, options); out.defined()) return out;
  if (const at::Tensor out = attend_by_kernel(heads, options); out.defined()) return out;
  const at::Tensor queries = scaled(heads.queries, options.query_scale);
  return attention(queries.transpose(1, 2), heads.keys.transpose(1, 2),
                   heads.values.transpose(1, 2), {}, options);
}

at::Tensor attend(const Heads& heads, const Rows& rows, std::int64_t layer,
                  const AttentionOptions& options) {
  if (rows.slots != nullptr) return attend_step(heads, rows, layer, options);
  if (const at::Tensor out = attend_on_device(heads, rows, layer, options); out.defined()) {
    return out;
  }
  const Heads settled = Rotation::settled(heads);
  return by_part(rows.parts, 0, [&](const Part& part, std::size_t i) {
    KvCache* const cache = rows.caches.empty() ? nullptr : rows.caches[i];
    const PartBias bias{rows.biases, i};
    const Heads own = of(part, settled);
    return rows.kind == Rows::Kind::sequence
               ? attend_in_sequence(own, cache, layer, bias, options)
               : attend_as_hypotheses(own, *cache, layer, bias.whole(), options);
  });
}

void remember(const Heads& heads, const Rows& rows, std::int64_t layer) {
  if (rows.sequences != nullptr && remember_on_device(heads, rows, layer).done) return;
  for (std::size_t i = 0; i < rows.parts.size(); ++i) {
    const Part& part = rows.parts[i];
    rows.caches[i]->append(layer, part.of(heads.keys), part.of(heads.values));
  }
}

}  // namespace instructblip::nn
