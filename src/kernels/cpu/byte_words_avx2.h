// Sixteen words in two registers of AVX2, for products of whole numbers with VNNI and without; see
// byte_lanes.h.
#pragma once

namespace instructblip::kernels::cpu {
namespace {

struct Sixteen {
  __m256i low, high;
};

INSTRUCTBLIP_KERNEL Sixteen load_sixteen(const std::byte* from) {
  const auto* at = reinterpret_cast<const __m256i*>(from);
  return {_mm256_load_si256(at), _mm256_load_si256(at + 1)};
}
INSTRUCTBLIP_KERNEL void store_sixteen(const Sixteen& x, std::byte* to) {
  auto* at = reinterpret_cast<__m256i*>(to);
  _mm256_store_si256(at, x.low);
  _mm256_store_si256(at + 1, x.high);
}
INSTRUCTBLIP_KERNEL __m256i four_bytes(const std::byte* x) {
  std::int32_t four;
  std::memcpy(&four, x, sizeof(four));
  return _mm256_set1_epi32(four);
}
INSTRUCTBLIP_KERNEL Lanes to_lanes_32(const Sixteen& x) {
  return {_mm256_cvtepi32_ps(x.low), _mm256_cvtepi32_ps(x.high)};
}

// The weights of a step of w4, a byte each, as byte_lanes.h has of_panel().
INSTRUCTBLIP_KERNEL Sixteen four_bits_of(const std::byte* block, int two, int step) {
  Words words = load_words(block + 2 * kLanes + two * 32);
  if (step != 0) {
    words = {_mm256_srli_epi16(words.low, 4), _mm256_srli_epi16(words.high, 4)};
  }
  const __m256i low = _mm256_set1_epi8(15);
  return {_mm256_and_si256(words.low, low), _mm256_and_si256(words.high, low)};
}

}  // namespace
}  // namespace instructblip::kernels::cpu
