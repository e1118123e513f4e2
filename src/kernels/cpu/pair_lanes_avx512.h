// Pairs of bfloat16 by AVX-512 BF16; see pair_lanes.h.
#pragma once

namespace instructblip::kernels::cpu {
namespace {

INSTRUCTBLIP_KERNEL Lanes load(const Pair* from) {
  return {_mm512_loadu_ps(reinterpret_cast<const float*>(from))};
}

// sums + the products of both, whose order the processor chooses.
INSTRUCTBLIP_KERNEL Lanes add_product(Pair, const Lanes& row, const Lanes& weights,
                                      const Lanes& sums) {
  return {_mm512_dpbf16_ps(sums.all, __builtin_bit_cast(__m512bh, row.all),
                           __builtin_bit_cast(__m512bh, weights.all))};
}

// [2][16] -> [16][2].
INSTRUCTBLIP_KERNEL Lanes interleaved(__m512i columns) {
  const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24,
                                         8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  return {_mm512_castsi512_ps(_mm512_permutexvar_epi16(order, columns))};
}
INSTRUCTBLIP_KERNEL Lanes load(const Columns* from) {
  return interleaved(_mm512_loadu_si512(from));
}
// The last column has no other beside it: zeros.
INSTRUCTBLIP_KERNEL Lanes load_last_column(const BFloat16* from) {
  const __m256i column = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  return interleaved(_mm512_zextsi256_si512(column));
}

// 32 numbers, rounded to the nearest bfloat16, ties to even, as 16 words.
INSTRUCTBLIP_KERNEL void round_to_pairs(const Lanes& low, const Lanes& high, float* to) {
  _mm512_storeu_ps(to, __builtin_bit_cast(__m512, _mm512_cvtne2ps_pbh(high.all, low.all)));
}

}  // namespace
}  // namespace instructblip::kernels::cpu
