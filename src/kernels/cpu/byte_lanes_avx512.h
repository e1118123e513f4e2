// Products of bytes by AVX512-VNNI, whose first factor has no sign; see byte_lanes.h.
#pragma once

namespace instructblip::kernels::cpu {
namespace {

// What is added to a weight, so that none is below 0: of w8, and of w4, whose bits are above 0.
constexpr std::int32_t kAddedTo8Bits = 128;
constexpr std::int32_t kAddedTo4Bits = 8;

// Sixteen sums.
struct Sums {
  __m512i all;
};
// Four weights for each of sixteen sums.
struct Fours {
  __m512i all;
};

INSTRUCTBLIP_KERNEL Sums sums_of(std::int32_t x) { return {_mm512_set1_epi32(x)}; }
INSTRUCTBLIP_KERNEL Lanes to_lanes(const Sums& x) { return {_mm512_cvtepi32_ps(x.all)}; }
INSTRUCTBLIP_KERNEL Fours load_fours(const std::byte* from) { return {_mm512_load_si512(from)}; }
// Adds the products of four weights and the four bytes at `x`.
INSTRUCTBLIP_KERNEL Sums add_products(const Sums& sums, const Fours& weights, const std::byte* x) {
  std::int32_t four;
  __builtin_memcpy(&four, x, sizeof(four));
  return {_mm512_dpbusd_epi32(sums.all, weights.all, _mm512_set1_epi32(four))};
}

// Four columns of 16 int8 -> [16][4].
INSTRUCTBLIP_KERNEL void prepare_columns(const std::byte* from, std::byte* to) {
  const __m512i fours = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const __m512i bytes =
      _mm512_broadcast_i32x4(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
  const __m512i columns = _mm512_permutexvar_epi32(fours, _mm512_loadu_si512(from));
  const __m512i turned = _mm512_shuffle_epi8(columns, bytes);
  _mm512_store_si512(to, _mm512_xor_si512(turned, _mm512_set1_epi8(-128)));
}

// Sixteen words of 4 bits each -> the even columns of eight, then the odd ones, [2][16][4].
INSTRUCTBLIP_KERNEL void prepare_words(const std::byte* from, std::byte* to) {
  const __m512i words = _mm512_loadu_si512(from), low = _mm512_set1_epi8(15);
  _mm512_store_si512(to, _mm512_and_si512(words, low));
  _mm512_store_si512(to + 64, _mm512_and_si512(_mm512_srli_epi32(words, 4), low));
}

// To the nearest, ties to even; in [-128, 127].
INSTRUCTBLIP_KERNEL __m128i rounded(const Lanes& x) {
  return _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(x.all));
}

}  // namespace
}  // namespace instructblip::kernels::cpu

#include "kernels/cpu/rounded_bytes.h"
