// Products of bytes by AVX-VNNI, whose first factor has no sign, sixteen sums in two registers; see
// byte_lanes.h. Rows, blocks and results are those of AVX-512 VNNI.
#pragma once

#include "kernels/cpu/byte_words_avx2.h"

namespace instructblip::kernels::cpu {
namespace {

struct Fours {
  using Sums = Sixteen;
  using Weights = Sixteen;  // four of each of sixteen rows
  static constexpr int kInputs = 32;
  static constexpr int kSteps = 8;
  static constexpr float kMost = 127.0f;

  INSTRUCTBLIP_KERNEL static Sums sums_from(const std::byte* start) {
    return {four_bytes(start), four_bytes(start)};
  }
  INSTRUCTBLIP_KERNEL static Lanes to_lanes(const Sums& x) { return to_lanes_32(x); }
  INSTRUCTBLIP_KERNEL static Weights load(const std::byte* from) { return load_sixteen(from); }
  INSTRUCTBLIP_KERNEL static void store(const Weights& x, std::byte* to) { store_sixteen(x, to); }
  INSTRUCTBLIP_KERNEL static Sums add_products(const Sums& sums, const Weights& weights,
                                               const std::byte* x) {
    const __m256i four = four_bytes(x);
    return {_mm256_dpbusd_avx_epi32(sums.low, weights.low, four),
            _mm256_dpbusd_avx_epi32(sums.high, weights.high, four)};
  }
};

struct FourBits : Fours {
  static constexpr bool kScaled = true;
  static constexpr std::int64_t kBytesOfPanelBlock = kBytesOf4Bits;

  INSTRUCTBLIP_KERNEL static Weights of_panel(const std::byte* block, int two, int step) {
    return four_bits_of(block, two, step);
  }
  INSTRUCTBLIP_KERNEL static std::int32_t round(const Lanes& low, const Lanes& high,
                                                std::byte* to) {
    const __m256i bytes = in_halves(rounded(low, high));
    store_bytes(bytes, to);
    return -8 * sum_of(bytes);
  }
};

struct EightBits : Fours {
  static constexpr bool kScaled = false;
  static constexpr std::int64_t kBytesOfPanelBlock = kInputs * kLanes;

  // Two columns of sixteen rows, one behind the other.
  INSTRUCTBLIP_KERNEL static __m256i two_columns(const std::byte* first, const std::byte* second) {
    return _mm256_inserti128_si256(
        _mm256_castsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(first))),
        _mm_loadu_si128(reinterpret_cast<const __m128i*>(second)), 1);
  }
  // The four columns of each of eight rows side by side, as numbers of at least 0. `twos` has two
  // of them side by side, then the other two.
  INSTRUCTBLIP_KERNEL static __m256i four_columns(__m256i twos) {
    const __m128i order = _mm_setr_epi8(0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15);
    const __m256i fours = _mm256_shuffle_epi8(_mm256_permute4x64_epi64(twos, 0xD8),
                                              _mm256_broadcastsi128_si256(order));
    return _mm256_xor_si256(fours, _mm256_set1_epi8(-128));
  }
  INSTRUCTBLIP_KERNEL static Weights of_panel(const std::byte* columns, int two, int step) {
    const std::byte* const at = columns + (two + step) * 64;
    const __m256i even = two_columns(at, at + 32), odd = two_columns(at + 16, at + 48);
    return {four_columns(_mm256_unpacklo_epi8(even, odd)),
            four_columns(_mm256_unpackhi_epi8(even, odd))};
  }
  INSTRUCTBLIP_KERNEL static std::int32_t round(const Lanes& low, const Lanes& high,
                                                std::byte* to) {
    const __m256i bytes = rounded(low, high);
    store_bytes(bytes, to);
    return -128 * sum_of(bytes);
  }
};

}  // namespace
}  // namespace instructblip::kernels::cpu
