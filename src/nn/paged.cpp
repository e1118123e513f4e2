#include "nn/paged.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/index.h>
#include <ATen/ops/index_put.h>
#include <ATen/ops/masked_fill.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/softmax.h>

#include <cstdint>
#include <limits>
#include <vector>

#include "kernels/kv_append.h"
#include "kernels/paged_attention.h"
#include "nn/device_attention.h"

namespace instructblip::nn {
namespace {

// R rows | H query heads | G key heads, g = H / G of the former to each | d width of a head

constexpr std::int64_t kKeys = 0, kValues = 1;

const std::int32_t* slots_of(const SlotTable& table) {
  return table.slots.const_data_ptr<std::int32_t>();
}

// All keys, or all values, of a layer: [pages, places, G, d].
at::Tensor layer_of(const KvView& view, std::int64_t which) {
  return view.pool->storage().select(1, view.layer).select(1, which).transpose(1, 2);
}

// Those in the slots of a table [n] -> [G, n, d].
at::Tensor taken(const KvView& view, std::int64_t which, const SlotTable& table) {
  return at::index(layer_of(view, which), {table.page, table.place}).transpose(0, 1);
}

void compose_append(const at::Tensor& keys, const at::Tensor& values, const KvView& to) {
  layer_of(to, kKeys).index_put_({to.newest.page, to.newest.place}, keys);
  layer_of(to, kValues).index_put_({to.newest.page, to.newest.place}, values);
}

// Shared positions meet all rows of a head in one product, those of a tail their own row.
at::Tensor compose_attention(const at::Tensor& queries, const KvView& over,
                             const PagedOptions& options) {
  const std::int64_t rows = queries.size(0), heads = queries.size(1), width = queries.size(2);
  const std::int64_t key_heads = over.pool->key_heads(), group = heads / key_heads;
  const std::int64_t shared = over.shared.slots.numel(), tail = over.tail.slots.numel() / rows;
  const at::Tensor of_heads =
      queries.view({rows, key_heads, group, width}).transpose(0, 1).contiguous();  // [G, R, g, d]
  std::vector<at::Tensor> parts;  // scores, [G, R, g, P] and [G, R, g, T]
  if (shared > 0) {
    const at::Tensor keys = taken(over, kKeys, over.shared);  // [G, P, d]
    parts.push_back(
        at::matmul(of_heads.view({key_heads, rows * group, width}), keys.transpose(1, 2))
            .view({key_heads, rows, group, shared}));
  }
  if (tail > 0) {
    const at::Tensor keys = taken(over, kKeys, over.tail).reshape({key_heads, rows, tail, width});
    parts.push_back(at::matmul(of_heads, keys.transpose(2, 3)));
  }
  at::Tensor scores = parts.size() == 1 ? parts.front() : at::cat(parts, -1);
  if (options.divisor != 1.0) scores = scores / options.divisor;
  if (options.bias.defined()) {
    scores = scores + options.bias.view({key_heads, 1, group, shared + tail});
  }
  if (options.lengths.defined()) {
    const at::Tensor position = at::arange(shared, over.pool->runtime().options(at::kInt));
    const at::Tensor unseen = position.unsqueeze(0) >= options.lengths.unsqueeze(1);  // [R, P]
    scores = scores.masked_fill(unseen.unsqueeze(1), -std::numeric_limits<double>::infinity());
  }
  const at::Tensor weights = at::softmax(scores, -1);
  at::Tensor out;  // [G, R, g, d]
  if (shared > 0) {
    const at::Tensor values = taken(over, kValues, over.shared);  // [G, P, d]
    out =
        at::matmul(weights.narrow(-1, 0, shared).reshape({key_heads, rows * group, shared}), values)
            .view({key_heads, rows, group, width});
  }
  if (tail > 0) {
    const at::Tensor values =
        taken(over, kValues, over.tail).reshape({key_heads, rows, tail, width});
    const at::Tensor of_tail = at::matmul(weights.narrow(-1, shared, tail), values);
    out = out.defined() ? out + of_tail : of_tail;
  }
  return out.transpose(0, 1).reshape({rows, heads * width});
}

}  // namespace

void append_to_pages(const at::Tensor& keys, const at::Tensor& values, const KvView& to) {
  if (to.pool->in_one_piece()) {
    const KvRows rows{to.pool, to.newest.slots, {}, keys, values};
    if (!append_on_device(rows, to.layer).done) compose_append(keys, values, to);
    return;
  }
  const Runtime& runtime = to.pool->runtime();
  const kernels::KvAppendProblem problem{.positions = to.newest.slots.numel(),
                                         .key_heads = to.pool->key_heads(),
                                         .width = to.pool->head_width(),
                                         .page_positions = KvPool::kPagePositions};
  const at::Tensor k = keys.contiguous(), v = values.contiguous();
  const std::vector<float*> pages_of_keys = to.keys(), pages_of_values = to.values();
  runtime.kernel(runtime.tables().kv_append, problem)
      .run(problem,
           {k.const_data_ptr<float>(), v.const_data_ptr<float>(), slots_of(to.newest),
            pages_of_keys.data(), pages_of_values.data()},
           runtime.queue());
}

at::Tensor attend_to_pages(const at::Tensor& queries, const KvView& over,
                           const PagedOptions& options) {
  if (over.pool->in_one_piece()) return compose_attention(queries, over, options);
  const Runtime& runtime = over.pool->runtime();
  const at::Tensor q = queries.contiguous();
  const at::Tensor bias = options.bias.defined() ? options.bias.contiguous() : options.bias;
  const kernels::PagedAttentionProblem problem{.rows = q.size(0),
                                               .query_heads = q.size(1),
                                               .key_heads = over.pool->key_heads(),
                                               .width = q.size(2),
                                               .shared = over.shared.slots.numel(),
                                               .tail = over.tail.slots.numel() / q.size(0),
                                               .page_positions = KvPool::kPagePositions,
                                               .divisor = static_cast<float>(options.divisor)};
  const std::vector<float*> pages_of_keys = over.keys(), pages_of_values = over.values();
  const at::Tensor& lengths = options.lengths;
  const at::Tensor out = runtime.empty({q.size(0), q.size(1) * q.size(2)}, at::kFloat);
  runtime.kernel(runtime.tables().paged_attention, problem)
      .run(problem,
           {.queries = q.const_data_ptr<float>(),
            .pages_of_keys = pages_of_keys.data(),
            .pages_of_values = pages_of_values.data(),
            .shared_slots = slots_of(over.shared),
            .shared_lengths = lengths.defined() ? lengths.const_data_ptr<std::int32_t>() : nullptr,
            .tail_slots = slots_of(over.tail),
            .bias = bias.defined() ? bias.const_data_ptr<float>() : nullptr,
            .out = out.mutable_data_ptr<float>()},
           runtime.queue());
  return out;
}

}  // namespace instructblip::nn
