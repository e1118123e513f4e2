// Rows and panels as pairs of bfloat16, for the instruction set that the including file is compiled
// for.
#pragma once

#include <cstddef>

#include "kernels/cpu/input_rows.h"
#include "kernels/cpu/pair_lanes.h"

namespace instructblip::kernels::cpu {
namespace {

// 32 inputs of a row from `first` on as 16 words; zeros behind the last.
INSTRUCTBLIP_KERNEL void round_inputs(const RowsToRegroup& r, std::int64_t row, std::int64_t first,
                                      float* words) {
  const std::int64_t left = r.count - first;
  round_to_pairs(inputs_at(r.from, row, first, left),
                 inputs_at(r.from, row, first + kLanes, left - kLanes), words);
}

// A panel's columns, two by two. `next` bytes behind them lie those that are read after these.
void interleave_panel(const std::byte* panel, std::int64_t count, std::size_t next, float* to) {
  const auto* from = reinterpret_cast<const BFloat16*>(panel);
  for (; count >= 2; count -= 2, from += 2 * kLanes, to += kLanes) {
    __builtin_prefetch(reinterpret_cast<const std::byte*>(from) + next, 0, 2);
    store(load(reinterpret_cast<const Columns*>(from)), to);
  }
  if (count == 1) store(load_last_column(from), to);
}

}  // namespace
}  // namespace instructblip::kernels::cpu
