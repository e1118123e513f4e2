// What a product with many rows asks memory for before it needs it, for the instruction set that
// the including file is compiled for.
#pragma once

#include "kernels/cpu/panel_finish.h"

namespace instructblip::kernels::cpu {
namespace {

// What of each panel is widened after a block. Memory delivers it while the block is multiplied: a
// few lines are asked for with each tile, since all of them at once would be waited for.
struct NextWeights {
  std::ptrdiff_t offset;  // from a panel's begin
  std::int64_t runs;      // so many runs of bytes,
  std::int64_t bytes;     // each so long
  std::size_t apart;      // and so far from the next

  INSTRUCTBLIP_KERNEL std::int64_t share_of(std::int64_t tiles) const {
    return (runs * bytes / tiles + kLine - 1) / kLine * kLine;
  }
  // The bytes [first, first + share) of each panel, counted without what lies between runs.
  INSTRUCTBLIP_KERNEL void prefetch(const Panels& panels, std::int64_t first,
                                    std::int64_t share) const {
    if (bytes == 0) return;
    const std::int64_t run = first / bytes, lines = share / kLine;
    for (std::int64_t n = 0; n < all_of(panels); ++n) {
      const std::byte* from = panel_of(panels, n) + offset;
      from += static_cast<std::size_t>(run) * apart;
      std::int64_t at = first - run * bytes;
      for (std::int64_t line = 0, left = runs - run; line < lines && left > 0; ++line) {
        __builtin_prefetch(from + at, 0, 2);
        at += kLine;
        if (at < bytes) continue;
        at = 0;
        from += apart;
        --left;
      }
    }
  }

 private:
  static constexpr std::int64_t kLine = 64;
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
