#include "nn/torch_threads.h"

#include <ATen/Parallel.h>

namespace instructblip::nn {

void TorchThreads::run(std::int64_t count, std::int64_t grain, kernels::Tasks tasks) {
  at::parallel_for(0, count, grain,
                   [&](std::int64_t first, std::int64_t last) { tasks(first, last); });
}

}  // namespace instructblip::nn
