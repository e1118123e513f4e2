// Rounded numbers as bytes, for any processor; see byte_lanes.h.
#pragma once

namespace instructblip::kernels::cpu {
namespace {

// To the nearest, ties to even: added to 1.5 * 2^23 a whole number is the lowest bits of the sum. A
// NaN, which no integer stands for, is some byte.
INSTRUCTBLIP_KERNEL std::byte rounded(float x) {
  const float sum = x + 12582912.0f;
  std::uint32_t bits;
  std::memcpy(&bits, &sum, sizeof(bits));
  return static_cast<std::byte>(bits & 0xFFU);
}
INSTRUCTBLIP_KERNEL void store_rounded(const Lanes& x, std::byte* to) {
  for (std::int64_t i = 0; i < kLanes; ++i) to[i] = rounded(x.all[i]);
}
// The even ones of each eight, then the odd ones: as w4 has columns.
INSTRUCTBLIP_KERNEL void store_rounded_in_halves(const Lanes& x, std::byte* to) {
  for (std::int64_t i = 0; i < kLanes; ++i) {
    to[i / 8 * 8 + i % 2 * 4 + i % 8 / 2] = rounded(x.all[i]);
  }
}

// The largest magnitude: NaN where one is NaN, else infinite where one is. Without their signs the
// bits of floats are whole numbers of the same order.
template <int N>
INSTRUCTBLIP_KERNEL float largest_magnitude(const Lanes (&x)[N]) {
  std::uint32_t most = 0;
  for (const Lanes& lanes : x) {
    for (const float number : lanes.all) {
      std::uint32_t bits;
      std::memcpy(&bits, &number, sizeof(bits));
      bits &= 0x7FFFFFFFU;
      if (bits > most) most = bits;
    }
  }
  float largest;
  std::memcpy(&largest, &most, sizeof(largest));
  return largest;
}

}  // namespace
}  // namespace instructblip::kernels::cpu
