#include "nn/torch_threads.h"

#include <ATen/Parallel.h>
#include <ATen/TensorIterator.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <atomic>

#include "nn/runtime.h"

namespace instructblip::nn {
namespace {

// Ranges for each thread. One that another process holds up then leaves the rest to those that go
// on: equal shares would all wait for it.
constexpr std::int64_t kRangesOfThread = 8;

// Calls `work` on so many of LibTorch's threads. at::parallel_for is a template that opens a region
// only where the caller is compiled with OpenMP, which would bring a second pool of threads: an
// iterator over a tensor of one element for each thread opens it inside LibTorch.
template <typename Work>
void on_threads(std::int64_t threads, const Work& work) {
  const at::Tensor elements = at::empty({threads}, host(at::kByte));
  at::TensorIterator iterator = at::TensorIterator::borrowing_nullary_op(elements);
  iterator.for_each([&](char**, const std::int64_t*, std::int64_t, std::int64_t) { work(); },
                    /*grain_size=*/1);
}

}  // namespace

void TorchThreads::run(std::int64_t count, std::int64_t grain, kernels::Tasks tasks) {
  const std::int64_t threads =
      std::min<std::int64_t>(at::get_num_threads(), (count + grain - 1) / grain);
  if (count <= 0) return;
  if (threads <= 1 || at::in_parallel_region()) return tasks(0, count);
  const std::int64_t length = std::max(grain, count / (threads * kRangesOfThread));
  std::atomic<std::int64_t> next = 0;
  on_threads(threads, [&] {
    while (true) {
      const std::int64_t first = next.fetch_add(length, std::memory_order_relaxed);
      if (first >= count) return;
      tasks(first, std::min(count, first + length));
    }
  });
}

}  // namespace instructblip::nn
