// Products of two bfloat16 at a time, added up in float32, in whatever registers the file is
// compiled for; see lanes.h. A word of 32 bits is two numbers, the first one in its lower half.
#pragma once

#include "kernels/cpu/lanes.h"

namespace instructblip::kernels::cpu {
namespace {

// Two weights of a row.
struct Pair {
  std::uint32_t bits;
};

// Two columns of a panel as they lie there: [2][16], not pair by pair.
struct Columns {
  BFloat16 at[2 * kLanes];
};

}  // namespace
}  // namespace instructblip::kernels::cpu

#if defined(__AVX512BF16__)
#include "kernels/cpu/pair_lanes_avx512.h"
#else
#include "kernels/cpu/pair_lanes_portable.h"
#endif
