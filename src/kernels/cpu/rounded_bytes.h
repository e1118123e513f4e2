// Rounded numbers as bytes, for AVX2 and AVX-512; see byte_lanes.h.
#pragma once

namespace instructblip::kernels::cpu {
namespace {

// To the nearest, ties to even; in [-128, 127].
#if defined(__AVX512F__)
INSTRUCTBLIP_KERNEL __m128i rounded(const Lanes& x) {
  return _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(x.all));
}
#else
INSTRUCTBLIP_KERNEL __m128i rounded(const Lanes& x) {
  const __m256i words = _mm256_packs_epi32(_mm256_cvtps_epi32(x.low), _mm256_cvtps_epi32(x.high));
  const __m256i in_order = _mm256_permute4x64_epi64(words, 0xD8);
  return _mm_packs_epi16(_mm256_castsi256_si128(in_order), _mm256_extracti128_si256(in_order, 1));
}
#endif

// In order.
INSTRUCTBLIP_KERNEL void store_rounded(const Lanes& x, std::byte* to) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), rounded(x));
}
// The even ones of each eight, then the odd ones: as w4 has columns.
INSTRUCTBLIP_KERNEL void store_rounded_in_halves(const Lanes& x, std::byte* to) {
  const __m128i order = _mm_setr_epi8(0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm_shuffle_epi8(rounded(x), order));
}

INSTRUCTBLIP_KERNEL std::int32_t sum_of_32(const std::byte* bytes) {
  const __m256i all = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes));
  const __m256i twos = _mm256_maddubs_epi16(_mm256_set1_epi8(1), all);
  const __m256i fours = _mm256_madd_epi16(twos, _mm256_set1_epi16(1));
  const __m128i four =
      _mm_add_epi32(_mm256_castsi256_si128(fours), _mm256_extracti128_si256(fours, 1));
  const __m128i two = _mm_add_epi32(four, _mm_unpackhi_epi64(four, four));
  return _mm_cvtsi128_si32(two) + _mm_extract_epi32(two, 1);
}

// The largest of numbers that are not below 0.
INSTRUCTBLIP_KERNEL float largest_of(const Lanes& x) {
  float sixteen[kLanes];
  store(x, sixteen);
  const __m256 eight = _mm256_max_ps(_mm256_loadu_ps(sixteen), _mm256_loadu_ps(sixteen + 8));
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

}  // namespace
}  // namespace instructblip::kernels::cpu
