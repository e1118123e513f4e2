// Sums over lanes, lane i with i + 8, then i + 4, i + 2 and i + 1; see lanes.h.
#pragma once

namespace instructblip::kernels::cpu {
namespace {

INSTRUCTBLIP_KERNEL float sum(const Lanes& x) {
  const __m256 eight = halved(x);
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

// Lanes i and i + 4 of a, then those of b.
INSTRUCTBLIP_KERNEL __m256 fours(__m256 a, __m256 b) {
  return _mm256_add_ps(_mm256_permute2f128_ps(a, b, 0x20), _mm256_permute2f128_ps(a, b, 0x31));
}

// The sums of four: out[k] = sum(x[k]).
INSTRUCTBLIP_KERNEL void sum_four(const Lanes* x, float* out) {
  const __m256 a = fours(halved(x[0]), halved(x[2]));
  const __m256 b = fours(halved(x[1]), halved(x[3]));
  const __m256 twos = _mm256_add_ps(_mm256_shuffle_ps(a, b, 0x44), _mm256_shuffle_ps(a, b, 0xEE));
  const __m128 low = _mm256_castps256_ps128(twos);     // two each of 0 and 1
  const __m128 high = _mm256_extractf128_ps(twos, 1);  // and of 2 and 3
  _mm_storeu_ps(out, _mm_add_ps(_mm_shuffle_ps(low, high, 0x88), _mm_shuffle_ps(low, high, 0xDD)));
}

}  // namespace
}  // namespace instructblip::kernels::cpu
