// The block that ends last among several that divide up one result. Included by kernels.
#pragma once

#include "kernels/cuda/dev.h"

namespace instructblip::kernels::cuda {

// Whether all other blocks that count in `counter`, `blocks` of them with this one, have come here
// before. Then its threads see what all wrote, and the counter is 0 for the next launch.
__device__ inline bool is_last(unsigned* counter, unsigned blocks, dev::Shared<unsigned> told) {
  dev::sync_threads();
  if (dev::thread() == 0) {
    dev::fence_global();
    const bool last = dev::add_global(counter, 1) == blocks - 1;
    if (last) *counter = 0;
    dev::fence_global();
    told.store(0, last ? 1u : 0u);
  }
  dev::sync_threads();
  return told.load(0) != 0;
}

}  // namespace instructblip::kernels::cuda
