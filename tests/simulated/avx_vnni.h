// AVX-VNNI for sources that are compiled for it, on a processor that has AVX2 alone.
#pragma once

#include <immintrin.h>

namespace instructblip::kernels::simulated {
namespace {

// To each sum of 32 bits, which may wrap, the products of four bytes without a sign and four with
// one: those of even bytes, then those of odd ones.
[[gnu::always_inline]] inline __m256i add_products_of_fours(__m256i sums, __m256i x, __m256i y) {
  const __m256i even = _mm256_madd_epi16(_mm256_and_si256(x, _mm256_set1_epi16(0xFF)),
                                         _mm256_srai_epi16(_mm256_slli_epi16(y, 8), 8));
  const __m256i odd = _mm256_madd_epi16(_mm256_srli_epi16(x, 8), _mm256_srai_epi16(y, 8));
  return _mm256_add_epi32(sums, _mm256_add_epi32(even, odd));
}

}  // namespace
}  // namespace instructblip::kernels::simulated

#undef _mm256_dpbusd_avx_epi32
#define _mm256_dpbusd_avx_epi32 instructblip::kernels::simulated::add_products_of_fours

// The compiler's own name of what it may use: the sources ask for it.
#define __AVXVNNI__ 1
