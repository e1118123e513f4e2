// What is asked of memory before a product of few rows needs it, for the instruction set that the
// including file is compiled for.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cpu/lanes.h"

namespace instructblip::kernels::cpu {
namespace {

// Weights behind those at `from`, of which so many streams are read side by side.
//
// A first level cache waits for two dozen lines at once at most, each of which takes 100 ns: half
// of what one core could read. With AVX-512 weights go to the second level first, which waits for
// more and has room for what comes early: one core of a Zen 4 reads 27 GB/s of 16 bits so, and 17
// without. Elsewhere they are asked for once, `ahead` bytes before: two cores of a Zen 3 read what
// memory delivers so.
template <int Streams>
INSTRUCTBLIP_KERNEL void prefetch_weights(const std::byte* from,
                                          [[maybe_unused]] std::ptrdiff_t ahead) {
#if defined(__AVX512F__)
  __builtin_prefetch(from + (Streams < 4 ? 8192 : 32768 / Streams), 0, 2);
  __builtin_prefetch(from + (Streams < 4 ? 1024 : 512));
#else
  __builtin_prefetch(from + ahead);
#endif
}

// The same for rows as a file has them: `next` elements behind are the same columns of the next
// rows. Eight rows of 11,008 inputs are 350 KB, which a second level cache of 1 MB has room for.
// Without AVX-512 nothing is asked for: Zen 3 asks for it itself, and early enough.
template <class Weight>
INSTRUCTBLIP_KERNEL void prefetch_rows([[maybe_unused]] const Weight* from,
                                       [[maybe_unused]] std::int64_t next) {
#if defined(__AVX512F__)
  __builtin_prefetch(from + next, 0, 2);
  __builtin_prefetch(reinterpret_cast<const std::byte*>(from) + 512);
#endif
}

}  // namespace
}  // namespace instructblip::kernels::cpu
