// Lanes in two registers of AVX2; see lanes.h.
#pragma once

namespace instructblip::kernels::cpu {
namespace {

struct Lanes {
  __m256 low, high;
};

INSTRUCTBLIP_KERNEL Lanes broadcast(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
INSTRUCTBLIP_KERNEL Lanes load(const float* from) {
  return {_mm256_loadu_ps(from), _mm256_loadu_ps(from + 8)};
}
INSTRUCTBLIP_KERNEL __m256 widen_8(const Half* from) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
}
INSTRUCTBLIP_KERNEL __m256 widen_8(const BFloat16* from) {
  const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
}
INSTRUCTBLIP_KERNEL __m256 widen_8(const Int8* from) {
  const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(from));
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes));
}
INSTRUCTBLIP_KERNEL Lanes load(const Int8* from) { return {widen_8(from), widen_8(from + 8)}; }
INSTRUCTBLIP_KERNEL Lanes load(const Half* from) { return {widen_8(from), widen_8(from + 8)}; }
INSTRUCTBLIP_KERNEL Lanes load(const BFloat16* from) { return {widen_8(from), widen_8(from + 8)}; }
INSTRUCTBLIP_KERNEL void store(const Lanes& x, float* to) {
  _mm256_storeu_ps(to, x.low);
  _mm256_storeu_ps(to + 8, x.high);
}

INSTRUCTBLIP_KERNEL Lanes add(const Lanes& a, const Lanes& b) {
  return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)};
}
INSTRUCTBLIP_KERNEL Lanes subtract(const Lanes& a, const Lanes& b) {
  return {_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high)};
}
INSTRUCTBLIP_KERNEL Lanes multiply(const Lanes& a, const Lanes& b) {
  return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)};
}
INSTRUCTBLIP_KERNEL Lanes divide(const Lanes& a, const Lanes& b) {
  return {_mm256_div_ps(a.low, b.low), _mm256_div_ps(a.high, b.high)};
}
// The larger one; b where either is NaN.
INSTRUCTBLIP_KERNEL Lanes larger(const Lanes& a, const Lanes& b) {
  return {_mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high)};
}
INSTRUCTBLIP_KERNEL __m256 where_negative_8(__m256 x, __m256 a, __m256 b) {
  return _mm256_blendv_ps(b, a, _mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_LT_OQ));
}
// a where x is negative, else b.
INSTRUCTBLIP_KERNEL Lanes where_negative(const Lanes& x, const Lanes& a, const Lanes& b) {
  return {where_negative_8(x.low, a.low, b.low), where_negative_8(x.high, a.high, b.high)};
}
// a * b + c, rounded once.
INSTRUCTBLIP_KERNEL Lanes multiply_add(const Lanes& a, const Lanes& b, const Lanes& c) {
  return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
}
INSTRUCTBLIP_KERNEL Lanes multiply_add_once_rounded(const Lanes& a, const Lanes& b,
                                                    const Lanes& c) {
  return multiply_add(a, b, c);
}

INSTRUCTBLIP_KERNEL __m256 scale_8(__m256 x, __m256 e) {
  const __m256i exponent = _mm256_slli_epi32(_mm256_cvtps_epi32(e), 23);
  return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(x), exponent));
}
// x * 2^e for whole e, where x, 2^e and the result are normal numbers; NaN where x and e are.
INSTRUCTBLIP_KERNEL Lanes scale(const Lanes& x, const Lanes& e) {
  return {scale_8(x.low, e.low), scale_8(x.high, e.high)};
}

// Sixteen words of 32 bits.
struct Words {
  __m256i low, high;
};

INSTRUCTBLIP_KERNEL Words load_words(const void* from) {
  const auto* at = static_cast<const __m256i*>(from);
  return {_mm256_loadu_si256(at), _mm256_loadu_si256(at + 1)};
}
INSTRUCTBLIP_KERNEL __m256 take_4_bits_of_8(__m256i& words) {
  const __m256i bits = _mm256_and_si256(words, _mm256_set1_epi32(15));
  words = _mm256_srli_epi32(words, 4);
  return _mm256_cvtepi32_ps(_mm256_sub_epi32(bits, _mm256_set1_epi32(8)));
}
// Their lowest 4 bits less 8; the bits above them take their place.
INSTRUCTBLIP_KERNEL Lanes take_4_bits(Words& words) {
  return {take_4_bits_of_8(words.low), take_4_bits_of_8(words.high)};
}

// Lanes i and i + 8 added.
INSTRUCTBLIP_KERNEL __m256 halved(const Lanes& x) { return _mm256_add_ps(x.low, x.high); }

}  // namespace
}  // namespace instructblip::kernels::cpu

#include "kernels/cpu/sums_avx2.h"
