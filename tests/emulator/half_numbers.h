// Numbers of 16 bits for tests of CUDA kernels.
#pragma once

#include <cstdint>
#include <type_traits>
#include <vector>

#include "kernels/cuda/dev.h"
#include "kernels/numbers.h"

namespace instructblip::emulator {

template <class T>
std::vector<T> narrowed(const std::vector<float>& values) {
  std::vector<T> narrow;
  for (const float value : values) narrow.push_back(kernels::dev::narrow<T>(value));
  return narrow;
}

template <class T>
std::vector<float> widened(const std::vector<T>& values) {
  std::vector<float> wide;
  for (const T value : values) wide.push_back(kernels::dev::widen(value));
  return wide;
}

template <class T>
std::vector<T> half_numbers(std::int64_t count, std::uint32_t seed) {
  return narrowed<T>(kernels::numbers(count, seed));
}

// The relative error of rounding to it.
template <class T>
constexpr double kRoundingOf = std::is_same_v<T, kernels::dev::Half> ? 0x1p-11
                               : std::is_same_v<T, float>            ? 0x1p-24
                                                                     : 0x1p-8;

// What no kernel writes: shows that one has not written.
constexpr std::uint16_t kUntouched = 0x7dad;

}  // namespace instructblip::emulator
