#include "nn/torch_threads.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>

namespace instructblip::nn {
namespace {

// Ranges for each thread. One that another process holds up then leaves the rest to those that go
// on: equal shares would all wait for it.
constexpr std::int64_t kRangesOfThread = 8;

}  // namespace

void TorchThreads::run(std::int64_t count, std::int64_t grain, kernels::Tasks tasks) {
  const std::int64_t threads =
      std::min<std::int64_t>(at::get_num_threads(), (count + grain - 1) / grain);
  if (count <= 0) return;
  if (threads <= 1 || at::in_parallel_region()) return tasks(0, count);
  const std::int64_t length = std::max(grain, count / (threads * kRangesOfThread));
  std::atomic<std::int64_t> next = 0;
  at::parallel_for(0, threads, 1, [&](std::int64_t, std::int64_t) {
    while (true) {
      const std::int64_t first = next.fetch_add(length, std::memory_order_relaxed);
      if (first >= count) return;
      tasks(first, std::min(count, first + length));
    }
  });
}

}  // namespace instructblip::nn
