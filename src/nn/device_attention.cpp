#include "nn/device_attention.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <vector>

#include "nn/device_rows.h"
#include "nn/kv_cache.h"
#include "nn/paged.h"
#include "nn/relative_bias.h"
#include "nn/rotary.h"

namespace instructblip::nn {
namespace {

namespace cuda = kernels::cuda;

// N rows of all sequences | H query heads | G key heads | d width of a head

// Where each of the sequences begins, and the last one ends.
struct Offsets {
  std::vector<std::int32_t> values = {0};
  std::int32_t longest = 0;

  void add(std::int64_t count) {
    longest = std::max(longest, static_cast<std::int32_t>(count));
    values.push_back(values.back() + static_cast<std::int32_t>(count));
  }
};

struct Sequences {
  at::Tensor queries, keys, values;  // [N, H, d], [M, G, d]
  Offsets of_queries, of_keys;
  const DistanceBias* bias = nullptr;
  at::Tensor offsets = {};  // for queries and keys, where they are on the device already
};

cuda::AttentionProblem problem_of(const Sequences& all, const AttentionOptions& options) {
  return {
      .element = *element_of(all.queries.scalar_type()),
      .sequences = static_cast<std::int32_t>(all.of_queries.values.size()) - 1,
      .max_queries = all.of_queries.longest,
      .query_heads = static_cast<std::int32_t>(all.queries.size(1)),
      .key_heads = static_cast<std::int32_t>(all.keys.size(1)),
      .width = static_cast<std::int32_t>(all.queries.size(2)),
      .divisor = static_cast<float>(options.whole_divisor()),
      .causal = options.causal,
      .max_distance = all.bias == nullptr ? 0 : static_cast<std::int32_t>(all.bias->max_distance)};
}

const cuda::Kernel<cuda::Attention>* kernel_of(const Sequences& all,
                                               const AttentionOptions& options) {
  if (!element_of(all.queries.scalar_type())) return nullptr;
  const Runtime& runtime = *options.runtime;
  return runtime.device_kernel(runtime.tables().cuda.attention, problem_of(all, options));
}

at::Tensor attend_sequences(const Sequences& all, const AttentionOptions& options) {
  const auto* const kernel = kernel_of(all, options);
  if (kernel == nullptr) return {};
  const Runtime& runtime = *options.runtime;
  const cuda::AttentionProblem problem = problem_of(all, options);
  const at::Tensor queries = heads_side_by_side(all.queries), keys = heads_side_by_side(all.keys),
                   values = heads_side_by_side(all.values);
  const auto there = [&](const Offsets& offsets) {
    return all.offsets.defined() ? all.offsets : runtime.known_ids(offsets.values);
  };
  const at::Tensor query_offsets = there(all.of_queries), key_offsets = there(all.of_keys);
  const at::Tensor out = runtime.empty({queries.size(0), queries.size(1) * queries.size(2)},
                                       all.queries.scalar_type());
  kernel->run(problem,
              {.queries = address_of(queries),
               .keys = address_of(keys),
               .values = address_of(values),
               .query_pitch = queries.stride(0),
               .key_pitch = keys.stride(0),
               .value_pitch = values.stride(0),
               .out_pitch = out.stride(0),
               .query_offsets = query_offsets.const_data_ptr<std::int32_t>(),
               .key_offsets = key_offsets.const_data_ptr<std::int32_t>(),
               .bias = all.bias == nullptr ? nullptr : all.bias->table.const_data_ptr<float>(),
               .out = out.mutable_data_ptr()},
              runtime.stream());
  return out;
}

// Rows of a product, queries, keys and values side by side: where they begin, and how many heads
// stand before the keys. What does not lie so is laid so.
struct SideBySide {
  at::Tensor rows;
  const void* first;
  std::int64_t query_heads;
};

SideBySide side_by_side(const KvRows& rows) {
  const std::int64_t key_heads = rows.keys.size(1), width = rows.keys.size(2);
  const auto address = [](const at::Tensor& x) {
    return static_cast<const char*>(x.const_data_ptr());
  };
  const auto bytes = static_cast<std::int64_t>(rows.keys.element_size()) * width;
  const std::int64_t before = rows.keys.stride(0) / width - 2 * key_heads;
  const bool turned = rows.turn != nullptr;
  const bool adjacent = rows.keys.stride(1) == width && rows.values.stride(1) == width &&
                        rows.keys.stride(0) == rows.values.stride(0) &&
                        rows.keys.stride(0) % width == 0 && before >= 0 &&
                        address(rows.values) == address(rows.keys) + key_heads * bytes &&
                        (!turned || (before == rows.queries.size(1) &&
                                     address(rows.queries) + before * bytes == address(rows.keys)));
  if (adjacent) return {rows.keys, address(rows.keys) - before * bytes, before};
  std::vector<at::Tensor> all = {rows.keys, rows.values};
  if (turned) all.insert(all.begin(), rows.queries);
  const at::Tensor copy = at::cat(all, 1);
  return {copy, address(copy), copy.size(1) - 2 * key_heads};
}

}  // namespace

at::Tensor attend_on_device(const Heads& heads, const AttentionOptions& options) {
  if (options.runtime->row_type() == at::kFloat) return {};
  const std::int64_t batch = heads.queries.size(0);
  Sequences all{
      heads.queries.flatten(0, 1), heads.keys.flatten(0, 1), heads.values.flatten(0, 1), {}, {}};
  for (std::int64_t i = 0; i < batch; ++i) {
    all.of_queries.add(heads.queries.size(1));
    all.of_keys.add(heads.keys.size(1));
  }
  const at::Tensor out = attend_sequences(all, options);
  return out.defined() ? out.view({batch, heads.queries.size(1), -1}) : out;
}

at::Tensor attend_on_device(const Heads& heads, const Rows& rows, std::int64_t layer,
                            const AttentionOptions& options) {
  if (options.runtime->row_type() == at::kFloat || rows.kind != Rows::Kind::sequence) return {};
  Sequences all{heads.queries, heads.keys, heads.values, {}, {}};
  for (std::size_t i = 0; i < rows.parts.size(); ++i) {
    const std::int64_t count = rows.parts[i].count;
    if (!rows.caches.empty() && rows.caches[i]->length() != count) return {};  // it extends a text
    all.of_queries.add(count);
  }
  all.of_keys = all.of_queries;
  if (rows.biases != nullptr) all.bias = &rows.biases->by_distance();
  if (kernel_of(all, options) == nullptr) return {};
  if (rows.sequences != nullptr) all.offsets = rows.sequences->offsets;
  const bool fused = heads.turn != nullptr && !rows.caches.empty();
  const Appended turned = fused ? remember_on_device(heads, rows, layer) : Appended{};
  if (turned.done) {
    all.queries = turned.queries;
    all.keys = turned.keys;
    return attend_sequences(all, options);
  }
  const Heads settled = Rotation::settled(heads);
  if (!rows.caches.empty()) remember(settled, rows, layer);
  all.queries = settled.queries;
  all.keys = settled.keys;
  return attend_sequences(all, options);
}

Appended remember_on_device(const Heads& heads, const Rows& rows, std::int64_t layer) {
  const auto added = [&](const Part& part, const KvPool& pool, const at::Tensor& slots) {
    return append_on_device(
        {.pool = &pool,
         .slots = slots,
         .queries = heads.turn == nullptr ? at::Tensor() : part.of(heads.queries),
         .keys = part.of(heads.keys),
         .values = part.of(heads.values),
         .turn = heads.turn,
         .first = part.first,
         .keeps_keys = true},
        layer);
  };
  if (rows.sequences != nullptr) {
    const Part all{0, heads.keys.size(0)};
    return added(all, rows.caches.front()->pool(), rows.sequences->slots);
  }
  std::vector<at::Tensor> queries, keys;
  for (std::size_t i = 0; i < rows.parts.size(); ++i) {
    const KvView view = rows.caches[i]->view(layer);
    const Appended some = added(rows.parts[i], *view.pool, view.newest.slots);
    if (!some.done) return {};
    queries.push_back(some.queries);
    keys.push_back(some.keys);
  }
  if (heads.turn == nullptr) return {true};
  if (queries.size() == 1) return {true, queries.front(), keys.front()};
  return {true, at::cat(queries), at::cat(keys)};
}

Appended append_on_device(const KvRows& rows, std::int64_t layer) {
  const at::Tensor addresses = rows.pool->addresses();
  if (!addresses.defined()) return {};
  const Runtime& runtime = rows.pool->runtime();
  const bool turned = rows.turn != nullptr;
  const SideBySide from = side_by_side(rows);
  cuda::KvAppend::Problem problem;
  problem.element = *element_of(rows.keys.scalar_type());
  problem.positions = static_cast<std::int32_t>(rows.keys.size(0));
  problem.query_heads = static_cast<std::int32_t>(from.query_heads);
  problem.key_heads = static_cast<std::int32_t>(rows.keys.size(1));
  problem.width = static_cast<std::int32_t>(rows.keys.size(2));
  problem.page_positions = KvPool::kPagePositions;
  problem.turned = turned;
  const auto* const kernel = runtime.device_kernel(runtime.tables().cuda.kv_append, problem);
  if (kernel == nullptr) return {};
  const auto like = [&](const at::Tensor& x, bool wanted) {
    return wanted ? runtime.empty(x.sizes().vec(), x.scalar_type()) : at::Tensor();
  };
  const at::Tensor queries = like(rows.queries, turned);
  const at::Tensor keys = like(rows.keys, turned && rows.keeps_keys);
  const auto planes = [&](const at::Tensor& x) {
    return x.const_data_ptr<float>() + rows.first * x.size(1);
  };
  kernel->run(problem,
              {.heads = from.first,
               .cosines = turned ? planes(rows.turn->cosines()) : nullptr,
               .sines = turned ? planes(rows.turn->sines()) : nullptr,
               .slots = rows.slots.const_data_ptr<std::int32_t>(),
               .pages_of_keys = KvPool::pages_of(addresses, layer, KvPool::Plane::keys),
               .pages_of_values = KvPool::pages_of(addresses, layer, KvPool::Plane::values),
               .queries = turned ? queries.mutable_data_ptr() : nullptr,
               .keys = keys.defined() ? keys.mutable_data_ptr() : nullptr},
              runtime.stream());
  return {true, queries, keys};
}

}  // namespace instructblip::nn
