// Float32 weights that lie row by row, brought into the order of a panel, for the instruction set
// that the including file is compiled for.
#pragma once

#include <cstddef>

#include "kernels/cpu/lanes.h"

namespace instructblip::kernels::cpu {
namespace {

// Rows of a panel, kLanes at most, each `apart` bytes behind the one before.
struct RowsOfPanel {
  const std::byte* at;
  std::size_t apart;
  std::int64_t count;

  INSTRUCTBLIP_KERNEL const float* row(std::int64_t i) const {
    return reinterpret_cast<const float*>(at + static_cast<std::size_t>(i) * apart);
  }
};

#if defined(__AVX2__)
// Four inputs of the rows i and i + 4, side by side.
INSTRUCTBLIP_KERNEL __m256 four_of_two(const RowsOfPanel& panel, std::int64_t i, std::int64_t k) {
  return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(panel.row(i) + k)),
                              _mm_loadu_ps(panel.row(i + 4) + k), 1);
}

// The inputs [k, k + 4) of the rows [first, first + 8), written to [4][kLanes].
INSTRUCTBLIP_KERNEL void turn_four(const RowsOfPanel& panel, std::int64_t first, std::int64_t k,
                                   float* to) {
  const __m256 w = four_of_two(panel, first, k), x = four_of_two(panel, first + 1, k);
  const __m256 y = four_of_two(panel, first + 2, k), z = four_of_two(panel, first + 3, k);
  const __m256 a = _mm256_unpacklo_ps(w, x), b = _mm256_unpacklo_ps(y, z);
  const __m256 c = _mm256_unpackhi_ps(w, x), d = _mm256_unpackhi_ps(y, z);
  to += first;
  _mm256_storeu_ps(to, _mm256_shuffle_ps(a, b, 0x44));
  _mm256_storeu_ps(to + kLanes, _mm256_shuffle_ps(a, b, 0xEE));
  _mm256_storeu_ps(to + 2 * kLanes, _mm256_shuffle_ps(c, d, 0x44));
  _mm256_storeu_ps(to + 3 * kLanes, _mm256_shuffle_ps(c, d, 0xEE));
}
#endif

// The inputs [0, count) of a panel, [count][kLanes]. Where there are fewer rows, the last one takes
// the places of the others, whose results are nobody's.
INSTRUCTBLIP_KERNEL void turn_panel(const RowsOfPanel& panel, std::int64_t count, float* to) {
  std::int64_t k = 0;
#if defined(__AVX2__)
  // Rows may lie a multiple of 4096 bytes apart, where all of them share a few places of the cache:
  // a line of eight of them is read whole before those of the others.
  for (; panel.count == kLanes && k + 16 <= count; k += 16) {
    for (std::int64_t first = 0; first < kLanes; first += 8) {
      for (std::int64_t i = k; i < k + 16; i += 4) turn_four(panel, first, i, to + i * kLanes);
    }
  }
#endif
  for (; k < count; ++k) {
    for (std::int64_t i = 0; i < kLanes; ++i) {
      to[k * kLanes + i] = panel.row(i < panel.count ? i : panel.count - 1)[k];
    }
  }
}

}  // namespace
}  // namespace instructblip::kernels::cpu
