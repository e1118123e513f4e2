// AVX-512, its VNNI and BF16, and AMX for sources that are compiled for them, on a processor that
// has AVX2 alone: SIMDe's functions in the place of the compiler's, and what SIMDe 0.7.4 lacks
// beside them.
#pragma once

#include <immintrin.h>

// Its functions keep to plain loops where the compiler may not use the instructions themselves.
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>
#include <simde/x86/f16c.h>

namespace instructblip::kernels::simulated {
namespace {

[[gnu::always_inline]] inline __m512 both(__m256 low, __m256 high) {
  return _mm512_castpd_ps(
      _mm512_insertf64x4(_mm512_castps_pd(_mm512_castps256_ps512(low)), _mm256_castps_pd(high), 1));
}
[[gnu::always_inline]] inline __m256 low_of(__m512 x) { return _mm512_castps512_ps256(x); }
[[gnu::always_inline]] inline __m256 high_of(__m512 x) {
  return _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(x), 1));
}

[[gnu::always_inline]] inline __m512i both(__m256i low, __m256i high) {
  return _mm512_castps_si512(both(_mm256_castsi256_ps(low), _mm256_castsi256_ps(high)));
}
[[gnu::always_inline]] inline __m256i low_of(__m512i x) { return _mm512_castsi512_si256(x); }
[[gnu::always_inline]] inline __m256i high_of(__m512i x) { return _mm512_extracti64x4_epi64(x, 1); }

[[gnu::always_inline]] inline __m512 from_halves(__m256i x) {
  return both(_mm256_cvtph_ps(_mm256_castsi256_si128(x)),
              _mm256_cvtph_ps(_mm256_extracti128_si256(x, 1)));
}
[[gnu::always_inline]] inline __m512i to_integers(__m512 x) {
  return both(_mm256_cvtps_epi32(low_of(x)), _mm256_cvtps_epi32(high_of(x)));
}
[[gnu::always_inline]] inline __m512 from_integers(__m512i x) {
  return both(_mm256_cvtepi32_ps(low_of(x)), _mm256_cvtepi32_ps(high_of(x)));
}
[[gnu::always_inline]] inline __m512i from_16_bits(__m256i x) {
  return both(_mm256_cvtepu16_epi32(_mm256_castsi256_si128(x)),
              _mm256_cvtepu16_epi32(_mm256_extracti128_si256(x, 1)));
}
[[gnu::always_inline]] inline __m512i zeros_behind(__m256i x) {
  return both(x, _mm256_setzero_si256());
}

[[gnu::always_inline]] inline __m512i from_bytes(__m128i x) {
  return both(_mm256_cvtepi8_epi32(x), _mm256_cvtepi8_epi32(_mm_srli_si128(x, 8)));
}

// The nearest bfloat16, ties to even; numbers below the normal ones become zeros, and each NaN a
// quiet one.
inline unsigned short to_bfloat16(float x) {
  unsigned int bits;
  __builtin_memcpy(&bits, &x, sizeof(bits));
  if (x != x) return static_cast<unsigned short>(bits >> 16 | 0x40U);
  if ((bits & 0x7F800000U) == 0) return static_cast<unsigned short>(bits >> 16 & 0x8000U);
  return static_cast<unsigned short>((bits + 0x7FFFU + (bits >> 16 & 1U)) >> 16);
}
inline __m512bh to_bfloat16s(__m512 high, __m512 low) {
  float from[32];
  _mm512_storeu_ps(from, low);
  _mm512_storeu_ps(from + 16, high);
  unsigned short to[32];
  for (int i = 0; i < 32; ++i) to[i] = to_bfloat16(from[i]);
  return __builtin_bit_cast(__m512bh, _mm512_loadu_si512(to));
}

// The instruction's fault where memory is not aligned, which SIMDe's functions let pass.
[[gnu::always_inline]] inline const void* aligned(const void* at) {
  if (reinterpret_cast<unsigned long long>(at) % 64 != 0) __builtin_trap();
  return at;
}
[[gnu::always_inline]] inline void store_aligned(void* at, __m512i x) {
  aligned(at);
  _mm512_storeu_si512(at, x);
}

}  // namespace
}  // namespace instructblip::kernels::simulated

#undef _mm512_cvtph_ps
#define _mm512_cvtph_ps instructblip::kernels::simulated::from_halves
#undef _mm512_cvtps_epi32
#define _mm512_cvtps_epi32 instructblip::kernels::simulated::to_integers
#undef _mm512_cvtepi32_ps
#define _mm512_cvtepi32_ps instructblip::kernels::simulated::from_integers
#undef _mm512_cvtepu16_epi32
#define _mm512_cvtepu16_epi32 instructblip::kernels::simulated::from_16_bits
#undef _mm512_zextsi256_si512
#define _mm512_zextsi256_si512 instructblip::kernels::simulated::zeros_behind
#undef _mm512_cvtepi8_epi32
#define _mm512_cvtepi8_epi32 instructblip::kernels::simulated::from_bytes
#undef _mm512_cvtne2ps_pbh
#define _mm512_cvtne2ps_pbh instructblip::kernels::simulated::to_bfloat16s
#undef _mm512_load_si512
#define _mm512_load_si512(at) _mm512_loadu_si512(instructblip::kernels::simulated::aligned(at))
#undef _mm512_store_si512
#define _mm512_store_si512 instructblip::kernels::simulated::store_aligned

// The compiler's own names of what it may use: the sources ask for them.
#define __AVX512F__ 1
#if INSTRUCTBLIP_SIMULATED == 2
#define __AVX512VNNI__ 1
#elif INSTRUCTBLIP_SIMULATED >= 3
#define __AVX512BF16__ 1
#endif
#if INSTRUCTBLIP_SIMULATED == 4
#include "simulated/amx.h"
#define __AMX_BF16__ 1
#endif
