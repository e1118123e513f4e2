// The numbers of dev.h for a C++ compiler. Included by kernel_side.h only.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <type_traits>

#include "kernels/cuda/emulator/numbers.h"
#include "kernels/cuda/types.h"

namespace instructblip::kernels::dev {

inline float widen(Half value) { return emulator::from_half(value.bits); }
inline float widen(Bfloat value) { return emulator::from_bfloat(value.bits); }
template <class T>
inline T narrow(float value) {
  if constexpr (std::is_same_v<T, Half>) return Half{emulator::to_half(value)};
  if constexpr (std::is_same_v<T, Bfloat>) return Bfloat{emulator::to_bfloat(value)};
  if constexpr (std::is_same_v<T, float>) return value;
}
// The first in the lower half.
template <class T>
inline std::uint32_t narrow_two(float low, float high) {
  return narrow<T>(low).bits | std::uint32_t{narrow<T>(high).bits} << 16;
}
template <class T>
inline Float2 widen_two(std::uint32_t two) {
  return {widen(T{static_cast<std::uint16_t>(two)}),
          widen(T{static_cast<std::uint16_t>(two >> 16)})};
}
inline std::uint32_t bits_of(float x) { return std::bit_cast<std::uint32_t>(x); }
inline float from_bits(std::uint32_t bits) { return std::bit_cast<float>(bits); }
template <class T>
inline std::uint32_t multiply_add_two(std::uint32_t a, std::uint32_t b, std::uint32_t c) {
  const Float2 x = widen_two<T>(a), y = widen_two<T>(b), z = widen_two<T>(c);
  return narrow_two<T>(static_cast<float>(double{x.x} * y.x + z.x),
                       static_cast<float>(double{x.y} * y.y + z.y));
}
inline float power_of_two(float x) { return std::exp2(x); }
inline float exponential(float x) { return std::exp(x); }
inline float logarithm(float x) { return std::log(x); }
inline float reciprocal(float x) { return 1.0f / x; }
inline float inverse_root(float x) { return 1.0f / std::sqrt(x); }
inline float complementary_error_function(float x) { return std::erfc(x); }
inline float hyperbolic_tangent(float x) { return std::tanh(x); }
// The bytes of a and b, 0 to 7, that the four lowest digits of `selector` name, lowest first.
inline std::uint32_t pick_bytes(std::uint32_t a, std::uint32_t b, std::uint32_t selector) {
  const std::uint64_t both = std::uint64_t{b} << 32 | a;
  std::uint32_t picked = 0;
  for (unsigned i = 0; i < 4; ++i) {
    picked |= static_cast<std::uint32_t>(both >> (selector >> (4 * i) & 7) * 8 & 0xff) << (8 * i);
  }
  return picked;
}
inline std::uint32_t and_or(std::uint32_t a, std::uint32_t mask, std::uint32_t set) {
  return (a & mask) | set;
}

}  // namespace instructblip::kernels::dev
