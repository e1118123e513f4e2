// Products of whole numbers by AVX2, sixteen sums in two registers; see byte_lanes.h.
#pragma once

#include "kernels/cpu/byte_words_avx2.h"

namespace instructblip::kernels::cpu {
namespace {

// Compilers would compute the products of several steps before they add them, and put sums into
// memory for want of registers.
INSTRUCTBLIP_KERNEL Sixteen in_registers(Sixteen x) {
  asm volatile("" : "+x"(x.low), "+x"(x.high));
  return x;
}
// Bytes without a sign times bytes with one, which AVX2 adds up in 16 bits. The 32 products of a
// block are two sums of 16: each at most 16 * 15 * 127 = 30480. Eight of the weights' bits are too
// many for that.
struct FourBits {
  using Weights = Sixteen;
  struct Sums : Sixteen {};
  static constexpr int kInputs = 32;
  static constexpr int kSteps = 8;
  static constexpr float kMost = 127.0f;
  static constexpr bool kScaled = true;
  static constexpr std::int64_t kBytesOfPanelBlock = kBytesOf4Bits;

  INSTRUCTBLIP_KERNEL static Sums sums_from(const std::byte* start) {
    const __m256i all = four_bytes(start);
    return {{all, all}};
  }
  INSTRUCTBLIP_KERNEL static Lanes to_lanes(const Sums& x) {
    const __m256i ones = _mm256_set1_epi16(1);
    return to_lanes_32({_mm256_madd_epi16(x.low, ones), _mm256_madd_epi16(x.high, ones)});
  }
  INSTRUCTBLIP_KERNEL static Weights load(const std::byte* from) { return load_sixteen(from); }
  INSTRUCTBLIP_KERNEL static void store(const Weights& x, std::byte* to) { store_sixteen(x, to); }
  INSTRUCTBLIP_KERNEL static Sums add_products(const Sums& sums, const Weights& weights,
                                               const std::byte* x) {
    const __m256i four = four_bytes(x);
    return {in_registers({_mm256_add_epi16(sums.low, _mm256_maddubs_epi16(weights.low, four)),
                          _mm256_add_epi16(sums.high, _mm256_maddubs_epi16(weights.high, four))})};
  }
  INSTRUCTBLIP_KERNEL static Weights of_panel(const std::byte* block, int two, int step) {
    return four_bits_of(block, two, step);
  }
  INSTRUCTBLIP_KERNEL static std::int32_t round(const Lanes& low, const Lanes& high,
                                                std::byte* to) {
    const __m256i bytes = in_halves(rounded(low, high));
    store_bytes(bytes, to);
    // -8 times the sum of x, of which each sum of 16 bits takes half. While products are added up
    // they may pass 32767 and come back; both end within 32512 of 0.
    const auto half = static_cast<std::uint32_t>(-4 * sum_of(bytes)) & 0xFFFFU;
    return static_cast<std::int32_t>(half << 16U | half);
  }
};

// Weights of 8 bits fill 16, and so may x: two inputs are a word, and 128 of them add up to less
// than 2^30.
struct EightBits {
  using Weights = Sixteen;
  struct Sums : Sixteen {};
  static constexpr int kInputs = 128;
  static constexpr int kSteps = 64;
  static constexpr float kMost = 32767.0f;
  static constexpr bool kScaled = false;
  static constexpr std::int64_t kBytesOfPanelBlock = kInputs * kLanes;

  INSTRUCTBLIP_KERNEL static Sums sums_from(const std::byte*) {
    return {{_mm256_setzero_si256(), _mm256_setzero_si256()}};
  }
  INSTRUCTBLIP_KERNEL static Lanes to_lanes(const Sums& x) { return to_lanes_32(x); }
  INSTRUCTBLIP_KERNEL static Weights load(const std::byte* from) { return load_sixteen(from); }
  INSTRUCTBLIP_KERNEL static void store(const Weights& x, std::byte* to) { store_sixteen(x, to); }
  INSTRUCTBLIP_KERNEL static Sums add_products(const Sums& sums, const Weights& weights,
                                               const std::byte* x) {
    const __m256i two = four_bytes(x);
    return {in_registers({_mm256_add_epi32(sums.low, _mm256_madd_epi16(weights.low, two)),
                          _mm256_add_epi32(sums.high, _mm256_madd_epi16(weights.high, two))})};
  }
  INSTRUCTBLIP_KERNEL static Weights of_panel(const std::byte* columns, int two, int step) {
    const auto* at = reinterpret_cast<const __m128i*>(columns + (two + step) * 32);
    const __m128i first = _mm_loadu_si128(at), second = _mm_loadu_si128(at + 1);
    return {_mm256_cvtepi8_epi16(_mm_unpacklo_epi8(first, second)),
            _mm256_cvtepi8_epi16(_mm_unpackhi_epi8(first, second))};
  }
  INSTRUCTBLIP_KERNEL static __m256i rounded_to_16(const Lanes& x) {
    return _mm256_permute4x64_epi64(rounded_words(x), 0xD8);
  }
  INSTRUCTBLIP_KERNEL static std::int32_t round(const Lanes& low, const Lanes& high,
                                                std::byte* to) {
    auto* at = reinterpret_cast<__m256i*>(to);
    _mm256_storeu_si256(at, rounded_to_16(low));
    _mm256_storeu_si256(at + 1, rounded_to_16(high));
    return 0;
  }
};

}  // namespace
}  // namespace instructblip::kernels::cpu
