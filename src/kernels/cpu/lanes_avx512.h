// Lanes in one register of AVX-512; see lanes.h.
#pragma once

namespace instructblip::kernels::cpu {
namespace {

struct Lanes {
  __m512 all;
};

INSTRUCTBLIP_KERNEL Lanes broadcast(float x) { return {_mm512_set1_ps(x)}; }
INSTRUCTBLIP_KERNEL Lanes load(const float* from) { return {_mm512_loadu_ps(from)}; }
INSTRUCTBLIP_KERNEL Lanes load(const Half* from) {
  return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)))};
}
INSTRUCTBLIP_KERNEL Lanes load(const BFloat16* from) {
  const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16))};
}
INSTRUCTBLIP_KERNEL Lanes load(const Int8* from) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  return {_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes))};
}
INSTRUCTBLIP_KERNEL void store(const Lanes& x, float* to) { _mm512_storeu_ps(to, x.all); }

INSTRUCTBLIP_KERNEL Lanes add(const Lanes& a, const Lanes& b) {
  return {_mm512_add_ps(a.all, b.all)};
}
INSTRUCTBLIP_KERNEL Lanes subtract(const Lanes& a, const Lanes& b) {
  return {_mm512_sub_ps(a.all, b.all)};
}
INSTRUCTBLIP_KERNEL Lanes multiply(const Lanes& a, const Lanes& b) {
  return {_mm512_mul_ps(a.all, b.all)};
}
INSTRUCTBLIP_KERNEL Lanes divide(const Lanes& a, const Lanes& b) {
  return {_mm512_div_ps(a.all, b.all)};
}
// The larger one; b where either is NaN.
INSTRUCTBLIP_KERNEL Lanes larger(const Lanes& a, const Lanes& b) {
  return {_mm512_max_ps(a.all, b.all)};
}
// a where x is negative, else b.
INSTRUCTBLIP_KERNEL Lanes where_negative(const Lanes& x, const Lanes& a, const Lanes& b) {
  const __mmask16 negative = _mm512_cmp_ps_mask(x.all, _mm512_setzero_ps(), _CMP_LT_OQ);
  return {_mm512_mask_blend_ps(negative, b.all, a.all)};
}
// a * b + c, rounded once.
INSTRUCTBLIP_KERNEL Lanes multiply_add(const Lanes& a, const Lanes& b, const Lanes& c) {
  return {_mm512_fmadd_ps(a.all, b.all, c.all)};
}
INSTRUCTBLIP_KERNEL Lanes multiply_add_once_rounded(const Lanes& a, const Lanes& b,
                                                    const Lanes& c) {
  return multiply_add(a, b, c);
}

// x * 2^e for whole e, where x, 2^e and the result are normal numbers; NaN where x and e are.
INSTRUCTBLIP_KERNEL Lanes scale(const Lanes& x, const Lanes& e) {
  const __m512i exponent = _mm512_slli_epi32(_mm512_cvtps_epi32(e.all), 23);
  return {_mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(x.all), exponent))};
}

// Sixteen words of 32 bits.
struct Words {
  __m512i all;
};

INSTRUCTBLIP_KERNEL Words load_words(const void* from) { return {_mm512_loadu_si512(from)}; }
// Their lowest 4 bits less 8; the bits above them take their place.
INSTRUCTBLIP_KERNEL Lanes take_4_bits(Words& words) {
  const __m512 values = _mm512_setr_ps(-8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7);
  const Lanes result{_mm512_permutexvar_ps(words.all, values)};
  words.all = _mm512_srli_epi32(words.all, 4);
  return result;
}

// Lanes i and i + 8 added.
INSTRUCTBLIP_KERNEL __m256 halved(const Lanes& x) {
  const __m256 high = _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(x.all), 1));
  return _mm256_add_ps(_mm512_castps512_ps256(x.all), high);
}

}  // namespace
}  // namespace instructblip::kernels::cpu

#include "kernels/cpu/sums_avx2.h"
