// Rounded numbers as bytes, for AVX2 and AVX-512; see byte_lanes.h.
#pragma once

namespace instructblip::kernels::cpu {
namespace {

// To the nearest, ties to even; in [-128, 127]. Those of `low` first.
#if defined(__AVX512F__)
INSTRUCTBLIP_KERNEL __m128i rounded(const Lanes& x) {
  return _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(x.all));
}
INSTRUCTBLIP_KERNEL __m256i rounded(const Lanes& low, const Lanes& high) {
  return _mm256_inserti128_si256(_mm256_castsi128_si256(rounded(low)), rounded(high), 1);
}
#else
INSTRUCTBLIP_KERNEL __m256i rounded_words(const Lanes& x) {
  return _mm256_packs_epi32(_mm256_cvtps_epi32(x.low), _mm256_cvtps_epi32(x.high));
}
INSTRUCTBLIP_KERNEL __m256i rounded(const Lanes& low, const Lanes& high) {
  const __m256i fours = _mm256_packs_epi16(rounded_words(low), rounded_words(high));
  return _mm256_permutevar8x32_epi32(fours, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}
#endif
// The even ones of each eight, then the odd ones: as w4 has columns.
INSTRUCTBLIP_KERNEL __m256i in_halves(__m256i bytes) {
  const __m128i order = _mm_setr_epi8(0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15);
  return _mm256_shuffle_epi8(bytes, _mm256_broadcastsi128_si256(order));
}
INSTRUCTBLIP_KERNEL void store_bytes(__m256i bytes, std::byte* to) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), bytes);
}
INSTRUCTBLIP_KERNEL std::int32_t sum_of(__m256i bytes) {
  const __m256i twos = _mm256_maddubs_epi16(_mm256_set1_epi8(1), bytes);
  const __m256i fours = _mm256_madd_epi16(twos, _mm256_set1_epi16(1));
  const __m128i four =
      _mm_add_epi32(_mm256_castsi256_si128(fours), _mm256_extracti128_si256(fours, 1));
  const __m128i two = _mm_add_epi32(four, _mm_unpackhi_epi64(four, four));
  return _mm_cvtsi128_si32(two) + _mm_extract_epi32(two, 1);
}

// Without their signs, as whole numbers, which have the order of the floats that they stand for:
// infinity is above all numbers, and NaN above infinity.
#if defined(__AVX512F__)
INSTRUCTBLIP_KERNEL __m512i magnitude_bits(const Lanes& x) {
  return _mm512_and_si512(_mm512_castps_si512(x.all), _mm512_set1_epi32(0x7FFFFFFF));
}
template <int N>
INSTRUCTBLIP_KERNEL __m256i largest_eight(const Lanes (&x)[N]) {
  __m512i most = magnitude_bits(x[0]);
  for (int i = 1; i < N; ++i) most = _mm512_max_epi32(most, magnitude_bits(x[i]));
  return _mm256_max_epi32(_mm512_castsi512_si256(most), _mm512_extracti64x4_epi64(most, 1));
}
#else
INSTRUCTBLIP_KERNEL __m256i magnitude_bits(__m256 x) {
  return _mm256_and_si256(_mm256_castps_si256(x), _mm256_set1_epi32(0x7FFFFFFF));
}
template <int N>
INSTRUCTBLIP_KERNEL __m256i largest_eight(const Lanes (&x)[N]) {
  __m256i low = magnitude_bits(x[0].low), high = magnitude_bits(x[0].high);
  for (int i = 1; i < N; ++i) {
    low = _mm256_max_epi32(low, magnitude_bits(x[i].low));
    high = _mm256_max_epi32(high, magnitude_bits(x[i].high));
  }
  return _mm256_max_epi32(low, high);
}
#endif
// The largest magnitude: NaN where one is NaN, else infinite where one is.
template <int N>
INSTRUCTBLIP_KERNEL float largest_magnitude(const Lanes (&x)[N]) {
  const __m256i eight = largest_eight(x);
  const __m128i four =
      _mm_max_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
  const __m128i two = _mm_max_epi32(four, _mm_unpackhi_epi64(four, four));
  return _mm_cvtss_f32(_mm_castsi128_ps(_mm_max_epi32(two, _mm_shuffle_epi32(two, 1))));
}

}  // namespace
}  // namespace instructblip::kernels::cpu
