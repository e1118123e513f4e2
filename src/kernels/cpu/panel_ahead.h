// What a product with many rows asks memory for before it needs it, for the instruction set that
// the including file is compiled for.
#pragma once

#include "kernels/cpu/panel_finish.h"

namespace instructblip::kernels::cpu {
namespace {

// What of each panel is widened after a block. Memory delivers it while the block is multiplied: a
// few lines are asked for with each tile, since all of them at once would be waited for.
struct NextWeights {
  std::size_t offset;  // from a panel's begin
  std::int64_t bytes;

  INSTRUCTBLIP_KERNEL std::int64_t share_of(std::int64_t tiles) const {
    return (bytes / tiles + 63) / 64 * 64;
  }
  INSTRUCTBLIP_KERNEL void prefetch(const Panels& panels, std::int64_t first,
                                    std::int64_t share) const {
    const std::int64_t last = first + share < bytes ? first + share : bytes;
    for (std::int64_t n = 0; n < all_of(panels); ++n) {
      const std::byte* from = panel_of(panels, n) + offset;
      for (std::int64_t at = first; at < last; at += 64) __builtin_prefetch(from + at, 0, 2);
    }
  }
};

// Where the results of the rows [row, last) go, and what is added to them.
INSTRUCTBLIP_KERNEL void prefetch_results(const Results& r, std::int64_t row, std::int64_t last) {
  for (; row < last; ++row) {
    for (std::int64_t at = row * r.stride; at < row * r.stride + r.outputs; at += kLanes) {
      __builtin_prefetch(r.y + at, 1);
      if (r.plus != nullptr) __builtin_prefetch(r.plus + at);
    }
  }
}

}  // namespace
}  // namespace instructblip::kernels::cpu
