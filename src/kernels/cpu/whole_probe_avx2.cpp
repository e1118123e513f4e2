#include <immintrin.h>

#include "kernels/cpu/probe.h"

namespace instructblip::kernels::cpu {
namespace {

constexpr int kSums = 12;  // registers that are summed in: the others hold what they gain

// Compilers would compute all products before they add any, and put sums into memory for want of
// registers.
[[gnu::always_inline]] inline __m256i in_register(__m256i x) {
  asm volatile("" : "+x"(x));
  return x;
}

std::int64_t sum_of(__m256i words) {
  alignas(32) std::int32_t lanes[8];
  _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), words);
  std::int64_t all = 0;
  for (const std::int32_t lane : lanes) all += lane;
  return all;
}

}  // namespace

// What a sum is goes into its next product, or a compiler would compute that once for all rounds:
// the lower number of each pair times `one`, the upper one, which is 0, times nothing.
std::int64_t multiply_16_bits_avx2(std::int64_t rounds, int one, int step) {
  const __m256i factor = _mm256_set1_epi32(one & 0xFFFF), more = _mm256_set1_epi32(step);
  __m256i sums[kSums];
#pragma GCC unroll 12
  for (int i = 0; i < kSums; ++i) sums[i] = _mm256_set1_epi32(i);
  for (std::int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
    for (int i = 0; i < kSums; ++i) {
      sums[i] = in_register(_mm256_add_epi32(_mm256_madd_epi16(sums[i], factor), more));
    }
  }
  __m256i all = _mm256_setzero_si256();
#pragma GCC unroll 12
  for (int i = 0; i < kSums; ++i) all = _mm256_add_epi32(all, sums[i]);
  return sum_of(all);
}

std::int64_t multiply_8_bits_avx2(std::int64_t rounds, int one, int step) {
  const __m256i factor = _mm256_set1_epi16(static_cast<short>(one & 0xFF));
  const __m256i more = _mm256_set1_epi16(static_cast<short>(step));
  __m256i sums[kSums];
#pragma GCC unroll 12
  for (int i = 0; i < kSums; ++i) sums[i] = _mm256_set1_epi16(static_cast<short>(i));
  for (std::int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
    for (int i = 0; i < kSums; ++i) {
      sums[i] = in_register(_mm256_add_epi16(_mm256_maddubs_epi16(sums[i], factor), more));
    }
  }
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i all = _mm256_setzero_si256();
#pragma GCC unroll 12
  for (int i = 0; i < kSums; ++i) {
    all = _mm256_add_epi32(all, _mm256_madd_epi16(sums[i], ones));  // two of 16 bits are a word
  }
  return sum_of(all);
}

}  // namespace instructblip::kernels::cpu
