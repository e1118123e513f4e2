// The weights of Keys' cubic (a = -0.5) along one axis, in fixed point.
#pragma once

#include <cstdint>
#include <vector>

namespace instructblip {

// A run of positions along one axis.
struct PixelRange {
  int begin = 0;
  int end = 0;  // one past the last

  int size() const { return end - begin; }
};

// The i-th of the wanted output positions is the sum over t < count[i] of
// weights[i * taps + t] * input[first[i] + t], plus half, shifted right by `precision` and clamped
// to 8 bits. Weights past count[i] are zero.
struct BicubicFilter {
  int taps = 0;  // room for each output position
  int precision = 0;
  std::vector<std::int32_t> first;
  std::vector<std::int32_t> count;
  std::vector<std::int32_t> weights;  // [wanted, taps]

  // The input positions that have a weight.
  PixelRange inputs() const;
};

// How many fractional bits the weights carry.
enum class FilterPrecision {
  pillow,       // 22
  torchvision,  // at most 22, so that the largest weight fits 16 bits
};

// From `in` to `out` positions; memory is taken for those in `wanted` alone.
BicubicFilter bicubic_filter(int in, int out, PixelRange wanted, FilterPrecision precision);

}  // namespace instructblip
