// LibTorch's threads, for kernels.
#pragma once

#include "kernels/queue.h"

namespace instructblip::nn {

// Shares tasks out among the threads that LibTorch's own operations run on, so that there are never
// more than those: a thread that is done with a range takes the next.
class TorchThreads final : public kernels::Queue {
 public:
  void run(std::int64_t count, std::int64_t grain, kernels::Tasks tasks) override;
};

}  // namespace instructblip::nn
