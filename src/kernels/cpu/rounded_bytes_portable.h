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

// The largest of numbers that are not below 0.
INSTRUCTBLIP_KERNEL float largest_of(const Lanes& x) { return largest(x); }

}  // namespace
}  // namespace instructblip::kernels::cpu
