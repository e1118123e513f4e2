#include <immintrin.h>

#include "kernels/cpu/probe.h"

namespace instructblip::kernels::cpu {

// The lowest byte of four, `step`, times `one`, joins each sum.
std::int64_t multiply_8_bits_avx512_vnni(std::int64_t rounds, int one, int step) {
  constexpr int kSums = 12;
  const __m512i factor = _mm512_set1_epi32(one & 0xFF), more = _mm512_set1_epi32(step & 0xFF);
  __m512i sums[kSums];
#pragma GCC unroll 12
  for (int i = 0; i < kSums; ++i) sums[i] = _mm512_set1_epi32(i);
  for (std::int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
    for (int i = 0; i < kSums; ++i) sums[i] = _mm512_dpbusd_epi32(sums[i], more, factor);
  }
  __m512i words = _mm512_setzero_si512();
#pragma GCC unroll 12
  for (int i = 0; i < kSums; ++i) words = _mm512_add_epi32(words, sums[i]);
  alignas(64) std::int32_t lanes[16];
  _mm512_store_si512(lanes, words);
  std::int64_t all = 0;
  for (const std::int32_t lane : lanes) all += lane;
  return all;
}

}  // namespace instructblip::kernels::cpu
