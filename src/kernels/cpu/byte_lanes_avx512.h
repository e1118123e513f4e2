// Products of bytes by AVX-512 VNNI, whose first factor has no sign; see byte_lanes.h.
#pragma once

namespace instructblip::kernels::cpu {
namespace {

struct Fours {
  // Sixteen sums.
  struct Sums {
    __m512i all;
  };
  // Four weights for each of sixteen sums.
  struct Weights {
    __m512i all;
  };
  static constexpr int kInputs = 32;
  static constexpr int kSteps = 8;
  static constexpr float kMost = 127.0f;

  INSTRUCTBLIP_KERNEL static __m512i four_bytes(const std::byte* x) {
    std::int32_t four;
    std::memcpy(&four, x, sizeof(four));
    return _mm512_set1_epi32(four);
  }
  INSTRUCTBLIP_KERNEL static Sums sums_from(const std::byte* start) { return {four_bytes(start)}; }
  INSTRUCTBLIP_KERNEL static Lanes to_lanes(const Sums& x) { return {_mm512_cvtepi32_ps(x.all)}; }
  INSTRUCTBLIP_KERNEL static Weights load(const std::byte* from) {
    return {_mm512_load_si512(from)};
  }
  INSTRUCTBLIP_KERNEL static void store(const Weights& x, std::byte* to) {
    _mm512_store_si512(to, x.all);
  }
  INSTRUCTBLIP_KERNEL static Sums add_products(const Sums& sums, const Weights& weights,
                                               const std::byte* x) {
    return {_mm512_dpbusd_epi32(sums.all, weights.all, four_bytes(x))};
  }
};

struct FourBits : Fours {
  static constexpr bool kScaled = true;
  static constexpr std::int64_t kBytesOfPanelBlock = kBytesOf4Bits;

  INSTRUCTBLIP_KERNEL static Weights of_panel(const std::byte* block, int two, int step) {
    const __m512i words = _mm512_loadu_si512(block + 2 * kLanes + two * 32);
    const __m512i bits = step == 0 ? words : _mm512_srli_epi32(words, 4);
    return {_mm512_and_si512(bits, _mm512_set1_epi8(15))};
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

  INSTRUCTBLIP_KERNEL static Weights of_panel(const std::byte* columns, int two, int step) {
    const __m512i fours = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __m512i bytes =
        _mm512_broadcast_i32x4(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
    const __m512i four =
        _mm512_permutexvar_epi32(fours, _mm512_loadu_si512(columns + (two + step) * 64));
    return {_mm512_xor_si512(_mm512_shuffle_epi8(four, bytes), _mm512_set1_epi8(-128))};
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
