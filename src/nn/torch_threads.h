// LibTorch's threads, for kernels.
#pragma once

#include <functional>
#include <span>

#include "kernels/queue.h"

namespace instructblip::nn {

// Shares tasks out among the threads that LibTorch's own operations run on, so that there are never
// more than those: a thread that is done with a range takes the next.
class TorchThreads final : public kernels::Queue {
 public:
  void run(std::int64_t count, std::int64_t grain, kernels::Tasks tasks) override;

  // Calls `work` on the calling thread, while the others stand by for the tasks that it hands to
  // run(): they wait for each other in a parallel region once, and not in each operation.
  // LibTorch's own operations are computed by the calling thread alone meanwhile.
  static void stand_by(const std::function<void()>& work);

  // Each of them stays on one of these hardware threads. From outside of any region.
  static void stay_on(std::span<const int> cpus);
};

}  // namespace instructblip::nn
