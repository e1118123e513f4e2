#include "nn/step_attention.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/index.h>
#include <ATen/ops/index_put.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/masked_fill.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/softmax.h>

#include <limits>
#include <optional>

#include "nn/arithmetic.h"
#include "nn/device_attention.h"
#include "nn/device_rows.h"
#include "nn/relative_bias.h"
#include "nn/rotary.h"
#include "nn/step_tables.h"

namespace instructblip::nn {
namespace {

namespace cuda = kernels::cuda;

// S requests | R rows, those of each request one after the other | r rows of a request
// H query heads | G key heads, g = H / G of the former to each | d width of a head
// P shared positions, T of a row's own, padded

using Plane = KvPool::Plane;

// All keys, or all values, of a layer: [pages, places, G, d].
at::Tensor layer_of(const StepSlots& slots, std::int64_t layer, Plane plane) {
  const at::Tensor all = slots.pool->storage().select(1, layer);
  return all.select(1, static_cast<std::int64_t>(plane)).transpose(1, 2);
}

struct Places {
  explicit Places(const at::Tensor& slots)
      : page(slots.floor_divide(KvPool::kPagePositions).to(at::kLong)),
        place(slots.remainder(KvPool::kPagePositions).to(at::kLong)) {}
  at::Tensor page, place;
};

// Those in the slots of a table [a, b] -> [a, b, G, d].
at::Tensor taken(const at::Tensor& layer, const Places& places) {
  return at::index(layer, {places.page, places.place});
}

// The queries, turned where they have to be.
at::Tensor append(const Heads& heads, const StepSlots& slots, std::int64_t layer) {
  if (!heads.keys.defined()) return heads.queries;
  const auto added = [&](const Heads& some) {
    return append_on_device(
        {slots.pool, slots.newest, some.queries, some.keys, some.values, some.turn}, layer);
  };
  if (const Appended all = added(heads); all.done) {
    return all.queries.defined() ? all.queries : heads.queries;
  }
  const Heads turned = Rotation::settled(heads);
  if (heads.turn != nullptr && added(turned).done) return turned.queries;
  const Places to(slots.newest);
  layer_of(slots, layer, Plane::keys).index_put_({to.page, to.place}, turned.keys);
  layer_of(slots, layer, Plane::values).index_put_({to.page, to.place}, turned.values);
  return turned.queries;
}

at::Tensor attend_by_kernel(const at::Tensor& queries, const StepSlots& slots, std::int64_t layer,
                            const DistanceBias* bias, double divisor) {
  const at::Tensor addresses = slots.pool->addresses();
  if (!addresses.defined()) return {};
  const Runtime& runtime = slots.pool->runtime();
  const cuda::PagedAttentionProblem problem{
      .element = *element_of(queries.scalar_type()),
      .requests = static_cast<std::int32_t>(slots.requests),
      .rows = static_cast<std::int32_t>(slots.rows),
      .query_heads = static_cast<std::int32_t>(queries.size(1)),
      .key_heads = static_cast<std::int32_t>(slots.pool->key_heads()),
      .width = static_cast<std::int32_t>(queries.size(2)),
      .max_shared = static_cast<std::int32_t>(slots.max_shared()),
      .max_tail = static_cast<std::int32_t>(slots.max_tail()),
      .page_positions = KvPool::kPagePositions,
      .divisor = static_cast<float>(divisor),
      .max_distance = bias == nullptr ? 0 : static_cast<std::int32_t>(bias->max_distance)};
  const cuda::Tables& tables = runtime.tables().cuda;
  const auto* const kernel = runtime.device_kernel(tables.paged_attention, problem);
  if (kernel == nullptr) return {};
  const at::Tensor q = queries.contiguous();
  const auto floats = static_cast<std::int64_t>(tables.paged_attention_workspace(problem));
  const at::Tensor workspace = runtime.empty({floats}, at::kFloat);
  const at::Tensor out = runtime.empty({q.size(0), q.size(1) * q.size(2)}, queries.scalar_type());
  kernel->run(
      problem,
      {.queries = address_of(q),
       .pages_of_keys = KvPool::pages_of(addresses, layer, Plane::keys),
       .pages_of_values = KvPool::pages_of(addresses, layer, Plane::values),
       .lengths = slots.lengths.const_data_ptr<std::int32_t>(),
       .shared_slots = slots.shared.const_data_ptr<std::int32_t>(),
       .shared_lengths = nullptr,
       .tail_slots = slots.tails.const_data_ptr<std::int32_t>(),
       .bias = bias == nullptr ? nullptr : bias->table.const_data_ptr<float>(),
       .out = out.mutable_data_ptr(),
       .workspace = workspace.mutable_data_ptr<float>(),
       .counters = reinterpret_cast<unsigned*>(slots.counters.mutable_data_ptr<std::int32_t>())},
      runtime.stream());
  return out;
}

// The positions of a table's columns, int32.
at::Tensor columns(const StepSlots& slots, std::int64_t count) {
  return at::arange(count, slots.pool->runtime().options(at::kInt)).unsqueeze(0);  // [1, count]
}

// Which columns hold nothing, [S, P + T].
at::Tensor unseen(const StepSlots& slots) {
  const at::Tensor shared = slots.lengths.narrow(1, 0, 1), tail = slots.lengths.narrow(1, 1, 1);
  return at::cat(
      {columns(slots, slots.max_shared()) >= shared, columns(slots, slots.max_tail()) >= tail}, 1);
}

// The bias of each key for the newest position of its request, [S, H, P + T].
at::Tensor biases(const StepSlots& slots, const DistanceBias& bias) {
  const at::Tensor shared = slots.lengths.narrow(1, 0, 1), tail = slots.lengths.narrow(1, 1, 1);
  const at::Tensor keys = at::cat({columns(slots, slots.max_shared()).expand({slots.requests, -1}),
                                   columns(slots, slots.max_tail()) + shared},
                                  1);  // positions [S, P + T]
  const at::Tensor distance = keys - (shared + tail - 1);
  const at::Tensor column = at::clamp(distance, -bias.max_distance, bias.max_distance) +
                            static_cast<std::int64_t>(bias.max_distance);
  return at::index_select(bias.table, 1, column.flatten())
      .view({-1, slots.requests, column.size(1)})
      .transpose(0, 1);
}

// Shared positions meet all rows of a request in one product, those of a tail their own row.
at::Tensor compose(const at::Tensor& queries, const StepSlots& slots, std::int64_t layer,
                   const DistanceBias* bias, double divisor) {
  const std::int64_t requests = slots.requests, rows = slots.rows, heads = queries.size(1),
                     width = queries.size(2), key_heads = slots.pool->key_heads(),
                     group = heads / key_heads, shared = slots.max_shared(),
                     tail = slots.max_tail();
  const at::Tensor keys = layer_of(slots, layer, Plane::keys),
                   values = layer_of(slots, layer, Plane::values);
  const at::Tensor q =
      queries.reshape({requests, rows, key_heads, group, width}).transpose(1, 2).contiguous();
  const Places of_shared(slots.shared);
  const auto of_tails = tail > 0 ? std::optional<Places>(slots.tails) : std::nullopt;
  const auto shared_part = [&](const at::Tensor& from) {
    return taken(from, of_shared).transpose(1, 2);  // [S, G, P, d]
  };
  const auto tail_part = [&](const at::Tensor& from) {
    return taken(from, *of_tails)
        .view({requests, rows, tail, key_heads, width})
        .permute({0, 3, 1, 2, 4});
  };  // [S, G, r, T, d]
  at::Tensor scores = at::matmul(q.view({requests, key_heads, rows * group, width}),
                                 shared_part(keys).transpose(2, 3))
                          .view({requests, key_heads, rows, group, shared});
  if (tail > 0) scores = at::cat({scores, at::matmul(q, tail_part(keys).transpose(3, 4))}, -1);
  if (divisor != 1.0) scores = scores / divisor;
  if (bias != nullptr) {
    scores = scores + biases(slots, *bias)
                          .reshape({requests, key_heads, 1, group, shared + tail})
                          .to(scores.scalar_type());
  }
  scores = scores.masked_fill(unseen(slots).view({requests, 1, 1, 1, shared + tail}),
                              -std::numeric_limits<double>::infinity());
  const at::Tensor weights = at::softmax(scores, -1);
  at::Tensor out =
      at::matmul(weights.narrow(-1, 0, shared).reshape({requests, key_heads, rows * group, shared}),
                 shared_part(values))
          .view({requests, key_heads, rows, group, width});
  if (tail > 0) out = out + at::matmul(weights.narrow(-1, shared, tail), tail_part(values));
  return out.transpose(1, 2).reshape({requests * rows, heads * width});
}

}  // namespace

at::Tensor attend_step(const Heads& heads, const Rows& rows, std::int64_t layer,
                       const AttentionOptions& options) {
  const StepSlots& slots = *rows.slots;
  const at::Tensor queries = append(heads, slots, layer);
  const DistanceBias* const bias = rows.biases == nullptr ? nullptr : &rows.biases->by_distance();
  const at::Tensor out = attend_by_kernel(queries, slots, layer, bias, options.whole_divisor());
  if (out.defined()) return out;
  return compose(scaled(queries, options.query_scale), slots, layer, bias, options.divisor);
}

}  // namespace instructblip::nn
