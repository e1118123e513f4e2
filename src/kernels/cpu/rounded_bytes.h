// Sixteen rounded numbers as bytes, for AVX2 and AVX-512; see byte_lanes.h.
#pragma once

namespace instructblip::kernels::cpu {
namespace {

// In order.
INSTRUCTBLIP_KERNEL void store_rounded(const Lanes& x, std::byte* to) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), rounded(x));
}
// The even ones of each eight, then the odd ones: as prepare_words() has columns.
INSTRUCTBLIP_KERNEL void store_rounded_in_halves(const Lanes& x, std::byte* to) {
  const __m128i order = _mm_setr_epi8(0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm_shuffle_epi8(rounded(x), order));
}

}  // namespace
}  // namespace instructblip::kernels::cpu
