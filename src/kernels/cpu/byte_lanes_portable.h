// Products of bytes for any processor; see byte_lanes.h.
#pragma once

namespace instructblip::kernels::cpu {
namespace {

constexpr std::int32_t kAddedTo8Bits = 0;  // to a weight
constexpr std::int32_t kAddedTo4Bits = 0;

struct Sums {
  std::int32_t all[kLanes];
};
struct Fours {
  std::int8_t all[kLanes][4];
};

INSTRUCTBLIP_KERNEL Sums sums_of(std::int32_t x) {
  Sums sums;
  for (std::int32_t& sum : sums.all) sum = x;
  return sums;
}
INSTRUCTBLIP_KERNEL Lanes to_lanes(const Sums& x) {
  return each([&](std::int64_t i) { return static_cast<float>(x.all[i]); });
}
INSTRUCTBLIP_KERNEL Fours load_fours(const std::byte* from) {
  Fours fours;
  std::memcpy(fours.all, from, sizeof(fours.all));
  return fours;
}
// Adds the products of four weights and the four bytes at `x`.
INSTRUCTBLIP_KERNEL Sums add_products(const Sums& sums, const Fours& weights, const std::byte* x) {
  Sums result = sums;
  for (std::int64_t i = 0; i < kLanes; ++i) {
    for (int j = 0; j < 4; ++j) {
      result.all[i] += weights.all[i][j] * static_cast<std::int8_t>(x[j]);
    }
  }
  return result;
}

// Four columns of 16 int8 -> [16][4].
INSTRUCTBLIP_KERNEL void prepare_columns(const std::byte* from, std::byte* to) {
  for (std::int64_t i = 0; i < 4 * kLanes; ++i) to[i] = from[i % 4 * kLanes + i / 4];
}

// Sixteen words of 4 bits each -> the even columns of eight, then the odd ones, [2][16][4].
INSTRUCTBLIP_KERNEL void prepare_words(const std::byte* from, std::byte* to) {
  for (std::int64_t i = 0; i < 4 * kLanes; ++i) {
    const auto two = static_cast<std::uint8_t>(from[i]);
    to[i] = static_cast<std::byte>(two % 16 - 8);
    to[4 * kLanes + i] = static_cast<std::byte>(two / 16 - 8);
  }
}

// To the nearest, ties to even: adding 1.5 * 2^23 leaves no fraction bits.
INSTRUCTBLIP_KERNEL std::byte rounded(float x) {
  return static_cast<std::byte>(static_cast<std::int32_t>((x + 12582912.0f) - 12582912.0f));
}
INSTRUCTBLIP_KERNEL void store_rounded(const Lanes& x, std::byte* to) {
  for (std::int64_t i = 0; i < kLanes; ++i) to[i] = rounded(x.all[i]);
}
// The even ones of each eight, then the odd ones: as prepare_words() has columns.
INSTRUCTBLIP_KERNEL void store_rounded_in_halves(const Lanes& x, std::byte* to) {
  for (std::int64_t i = 0; i < kLanes; ++i) {
    to[i / 8 * 8 + i % 2 * 4 + i % 8 / 2] = rounded(x.all[i]);
  }
}

}  // namespace
}  // namespace instructblip::kernels::cpu
