#include "nn/torch_threads.h"

#include <ATen/Parallel.h>
#include <ATen/TensorIterator.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <thread>
#include <utility>

#include "core/processors.h"
#include "nn/runtime.h"
#include "nn/team.h"

namespace instructblip::nn {
namespace {

// Ranges for each thread: of all tasks, or in a team of those that are left. A thread that another
// process holds up then leaves the rest to those that go on: equal shares would all wait for it.
// More ranges would cost products with the rows of a picture, which read them all from the last
// level cache for each range; a team has the few rows of a step.
constexpr std::int64_t kRangesOfThread = 4;

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

// Those that stand by for the tasks of this thread; null while none do.
thread_local Team* team = nullptr;

}  // namespace

void TorchThreads::run(std::int64_t count, std::int64_t grain, kernels::Tasks tasks) {
  const std::int64_t threads =
      std::min<std::int64_t>(at::get_num_threads(), (count + grain - 1) / grain);
  if (count <= 0) return;
  if (threads <= 1 || (at::in_parallel_region() && team == nullptr)) return tasks(0, count);
  const std::int64_t ranges = threads * kRangesOfThread;
  if (team != nullptr) return team->run(count, {.grain = grain, .parts = ranges}, tasks);
  const std::int64_t length = std::max(grain, count / ranges);
  std::atomic<std::int64_t> next = 0;
  on_threads(threads, [&] {
    while (true) {
      const std::int64_t first = next.fetch_add(length, std::memory_order_relaxed);
      if (first >= count) return;
      tasks(first, std::min(count, first + length));
    }
  });
}

void TorchThreads::stay_on(std::span<const int> cpus) {
  std::atomic<std::size_t> next = 0;
  on_threads(std::min<std::int64_t>(at::get_num_threads(), std::ssize(cpus)),
             [&] { instructblip::stay_on(cpus[next++]); });
}

void TorchThreads::stand_by(const std::function<void()>& work) {
  const int threads = at::get_num_threads();
  if (threads <= 1 || at::in_parallel_region()) return work();
  Team others;
  std::exception_ptr error;
  bool begun = false;  // known to the caller alone, which may be given the share of a thread more
  on_threads(threads, [&, caller = std::this_thread::get_id()] {
    if (std::this_thread::get_id() != caller) return others.stand_by();
    if (std::exchange(begun, true)) return;
    team = &others;
    try {
      work();
    } catch (...) {
      error = std::current_exception();
    }
    team = nullptr;
    others.close();
  });
  if (error) std::rethrow_exception(error);
}

}  // namespace instructblip::nn
