// The weights of Keys' cubic (a = -0.5) along one axis, in fixed point.
#pragma once

#include <cstdint>
#include <vector>

namespace instructblip {

// Output position i is the sum over t < count[i] of weights[i * taps + t] * input[first[i] + t],
// plus half, shifted right by `precision` and clamped to 8 bits. Weights past count[i] are zero.
struct BicubicFilter {
  int taps = 0;  // room for each output position
  int precision = 0;
  std::vector<std::int32_t> first;
  std::vector<std::int32_t> count;
  std::vector<std::int32_t> weights;  // [out, taps]
};

// How many fractional bits the weights carry.
enum class FilterPrecision {
  pillow,       // 22
  torchvision,  // at most 22, so that the largest weight fits 16 bits
};

BicubicFilter bicubic_filter(int in, int out, FilterPrecision precision);

}  // namespace instructblip
