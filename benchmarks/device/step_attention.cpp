// Attention of a step's new positions over keys and values in pages: our kernel and LibTorch's.
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "device_timer.h"
#include "nn/device_rows.h"
#include "nn/kv_pool.h"

namespace instructblip::benchmarks {
namespace {

namespace cuda = kernels::cuda;

constexpr std::int32_t kHeads = 32, kWidth = 128, kKeys = 150;
constexpr auto kPage = static_cast<std::int32_t>(nn::KvPool::kPagePositions);

// Requests of so many rows each, which share the keys of their request.
Measured ours(DeviceTimer& timer, std::int32_t requests, std::int32_t rows) {
  nn::DeviceRuntime& runtime = timer.runtime();
  constexpr std::int32_t kPages = (kKeys + kPage - 1) / kPage;  // a request has
  const std::int64_t pages = std::int64_t{requests} * kPages;
  const at::Tensor keys = timer.noise({pages, kHeads, kPage, kWidth});
  const at::Tensor values = timer.noise({pages, kHeads, kPage, kWidth});
  const auto addresses = [&](const at::Tensor& of) {
    at::Tensor all = at::empty({pages}, nn::host(at::kLong));
    for (std::int64_t i = 0; i < pages; ++i) {
      all.mutable_data_ptr<std::int64_t>()[i] = reinterpret_cast<std::int64_t>(of[i].data_ptr());
    }
    return runtime.upload(all);
  };
  const at::Tensor pages_of_keys = addresses(keys), pages_of_values = addresses(values);
  std::vector<std::int32_t> slots, lengths;
  for (std::int32_t request = 0; request < requests; ++request) {
    for (std::int32_t i = 0; i < kKeys; ++i) slots.push_back(request * kPages * kPage + i);
    lengths.insert(lengths.end(), {kKeys, 0});
  }
  const at::Tensor shared = runtime.ids(slots), length = runtime.ids(lengths);
  const at::Tensor queries = timer.noise({std::int64_t{requests} * rows, kHeads, kWidth});
  const at::Tensor out = runtime.empty(queries.sizes().vec(), runtime.row_type());
  const at::Tensor counters =
      runtime.ids(std::vector<std::int32_t>(static_cast<std::size_t>(requests) * kHeads, 0));
  const cuda::PagedAttentionProblem problem{.element = *nn::element_of(runtime.row_type()),
                                            .requests = requests,
                                            .rows = rows,
                                            .query_heads = kHeads,
                                            .key_heads = kHeads,
                                            .width = kWidth,
                                            .max_shared = kKeys,
                                            .page_positions = kPage,
                                            .divisor = std::sqrt(static_cast<float>(kWidth))};
  const cuda::Tables& tables = runtime.tables().cuda;
  const auto* const kernel = runtime.device_kernel(tables.paged_attention, problem);
  if (kernel == nullptr) return {"ours", 0, "no kernel takes it"};
  const auto floats = static_cast<std::int64_t>(tables.paged_attention_workspace(problem));
  const at::Tensor workspace = runtime.empty({std::max<std::int64_t>(floats, 1)}, at::kFloat);
  const auto listed = [](const at::Tensor& of) {
    return reinterpret_cast<const void* const*>(of.const_data_ptr<std::int64_t>());
  };
  const cuda::PagedAttentionBuffers buffers{
      .queries = nn::address_of(queries),
      .pages_of_keys = listed(pages_of_keys),
      .pages_of_values = listed(pages_of_values),
      .lengths = length.const_data_ptr<std::int32_t>(),
      .shared_slots = shared.const_data_ptr<std::int32_t>(),
      .shared_lengths = nullptr,
      .tail_slots = shared.const_data_ptr<std::int32_t>(),  // none of which is read
      .bias = nullptr,
      .out = out.mutable_data_ptr(),
      .workspace = workspace.mutable_data_ptr<float>(),
      .counters = reinterpret_cast<unsigned*>(counters.mutable_data_ptr<std::int32_t>())};
  return timer.time("ours", [&] {
    kernel->run(problem, buffers, runtime.stream());
    return out;
  });
}

std::vector<Measured> torchs(DeviceTimer& timer, std::int32_t batch, std::int32_t queries) {
  return timer.time_torch({.queries = timer.noise({batch, kHeads, queries, kWidth}),
                           .keys = timer.noise({batch, kHeads, kKeys, kWidth}),
                           .values = timer.noise({batch, kHeads, kKeys, kWidth})});
}

}  // namespace

void benchmark_step_attention(DeviceTimer& timer) {
  constexpr std::int32_t kBeams = 5;
  for (const std::int32_t batch : {1, 8, 64}) {
    const std::string ending = ", batch " + std::to_string(batch);
    print("step 32x128 over 150" + ending, ours(timer, batch, 1), torchs(timer, batch, 1));
    print("step 32x128 over 150, 5 rows, each its own keys" + ending,
          ours(timer, kBeams * batch, 1), torchs(timer, kBeams * batch, 1));
    print("step 32x128 over 150, 5 rows of one text" + ending, ours(timer, batch, kBeams),
          torchs(timer, batch, kBeams));
  }
}

}  // namespace instructblip::benchmarks
