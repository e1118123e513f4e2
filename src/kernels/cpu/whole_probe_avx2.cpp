#include <immintrin.h>

#include "kernels/cpu/probe.h"

namespace instructblip::kernels::cpu {
namespace {

constexpr int kSums = 12;  // registers that are summed in: the others hold what they gain

std::int64_t sum_of_words(const __m256i* sums, bool pairs) {
  std::int64_t all = 0;
  for (int i = 0; i < kSums; ++i) {
    // Two sums of 16 bits, added up.
    const __m256i words = pairs ? _mm256_madd_epi16(sums[i], _mm256_set1_epi16(1)) : sums[i];
    alignas(32) std::int32_t lanes[8];
    _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), words);
    for (const std::int32_t lane : lanes) all += lane;
  }
  return all;
}

}  // namespace

// What a sum is goes into its next product, or a compiler would compute that once for all rounds:
// the lower number of each pair times `one`, the upper one, which is 0, times nothing.
std::int64_t multiply_16_bits_avx2(std::int64_t rounds, int one, int step) {
  const __m256i factor = _mm256_set1_epi32(one & 0xFFFF), more = _mm256_set1_epi32(step);
  __m256i sums[kSums];
  for (int i = 0; i < kSums; ++i) sums[i] = _mm256_set1_epi32(i);
  for (std::int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
    for (int i = 0; i < kSums; ++i) {
      sums[i] = _mm256_add_epi32(_mm256_madd_epi16(sums[i], factor), more);
    }
  }
  return sum_of_words(sums, false);
}

std::int64_t multiply_8_bits_avx2(std::int64_t rounds, int one, int step) {
  const __m256i factor = _mm256_set1_epi16(static_cast<short>(one & 0xFF));
  const __m256i more = _mm256_set1_epi16(static_cast<short>(step));
  __m256i sums[kSums];
  for (int i = 0; i < kSums; ++i) sums[i] = _mm256_set1_epi16(static_cast<short>(i));
  for (std::int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
    for (int i = 0; i < kSums; ++i) {
      sums[i] = _mm256_add_epi16(_mm256_maddubs_epi16(sums[i], factor), more);
    }
  }
  return sum_of_words(sums, true);
}

}  // namespace instructblip::kernels::cpu
