// Where keys and values lie in their pages, for the instruction set that the including file is
// compiled for.
#pragma once

#include "kernels/cpu/lanes.h"
#include "kernels/cpu/paged_rows.h"

namespace instructblip::kernels::cpu {
namespace {

// Positions whose keys, or values, stay in the nearest cache for all queries.
constexpr std::int64_t kBlock = 32;

// Where the keys, or values, of `count` slots lie.
INSTRUCTBLIP_KERNEL void locate(const PagedRows& r, const float* const* pages,
                                const std::int32_t* slots, std::int64_t count,
                                const float** found) {
  const auto page_positions = static_cast<std::int32_t>(r.page_positions);
  std::int32_t place = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    if (i > 0 && slots[i] == slots[i - 1] + 1 && place + 1 < page_positions) {
      found[i] = found[i - 1] + r.width;
      ++place;
      continue;
    }
    place = slots[i] % page_positions;
    found[i] = pages[slots[i] / page_positions] + (r.key_head * r.page_positions + place) * r.width;
  }
}

// Asks the memory for where the keys, or values, of `count` slots begin in each page: there no
// processor reads ahead by itself.
INSTRUCTBLIP_KERNEL void ask_for(const PagedRows& r, const float* const* pages,
                                 const std::int32_t* slots, std::int64_t count) {
  constexpr std::int64_t kFloatsOfLine = 16, kLines = 4;
  const float* found[kBlock];
  locate(r, pages, slots, count, found);
  for (std::int64_t i = 0; i < count; ++i) {
    if (i > 0 && found[i] == found[i - 1] + r.width) continue;
    for (std::int64_t line = 0; line < kLines; ++line) {
      __builtin_prefetch(found[i] + line * kFloatsOfLine);
    }
  }
}

}  // namespace
}  // namespace instructblip::kernels::cpu
