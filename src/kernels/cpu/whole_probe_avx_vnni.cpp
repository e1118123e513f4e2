#include <immintrin.h>

#include "kernels/cpu/probe.h"

namespace instructblip::kernels::cpu {

// The lowest byte of four, `step`, times `one`, joins each sum.
std::int64_t multiply_8_bits_avx_vnni(std::int64_t rounds, int one, int step) {
  constexpr int kSums = 12;
  const __m256i factor = _mm256_set1_epi32(one & 0xFF), more = _mm256_set1_epi32(step & 0xFF);
  __m256i sums[kSums];
#pragma GCC unroll 12
  for (int i = 0; i < kSums; ++i) sums[i] = _mm256_set1_epi32(i);
  for (std::int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
    for (int i = 0; i < kSums; ++i) sums[i] = _mm256_dpbusd_avx_epi32(sums[i], more, factor);
  }
  __m256i words = _mm256_setzero_si256();
#pragma GCC unroll 12
  for (int i = 0; i < kSums; ++i) words = _mm256_add_epi32(words, sums[i]);
  alignas(32) std::int32_t lanes[8];
  _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), words);
  std::int64_t all = 0;
  for (const std::int32_t lane : lanes) all += lane;
  return all;
}

}  // namespace instructblip::kernels::cpu
