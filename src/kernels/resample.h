// One axis of an 8-bit RGB picture, resampled in fixed point: the contract, and the table of its
// kernels. Every kernel gives the same bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "kernels/queue.h"
#include "kernels/registry.h"

namespace instructblip::kernels {

struct ResampleProblem {
  enum class Axis { horizontal, vertical };

  Axis axis = Axis::horizontal;
  int height = 0;  // what comes in
  int width = 0;
  int outputs = 0;    // positions along the axis of what goes out
  int taps = 0;       // room for weights of each of them
  int precision = 0;  // fractional bits of the weights, of which |w| < 2^(16 + 14 - 1) is asked
};

// The i-th output position is the sum over t < count[i] of weights[i * taps + t] *
// input[first[i] + t], plus half, shifted right by `precision` and clamped to 8 bits. Weights past
// count[i] are 0. A sum fits 32 bits.
struct ResampleBuffers {
  const std::uint8_t* in;  // [height, width, 3], rows `stride` bytes apart
  std::ptrdiff_t stride;
  const std::int32_t* first;  // [outputs]
  const std::int32_t* count;
  const std::int32_t* weights;  // [outputs, taps]
  std::uint8_t* out;            // [height, outputs, 3], or [outputs, width, 3] of the vertical axis
};

struct ResampleKernel {
  static constexpr std::string_view kOperation = "resample";

  std::string_view name;
  Traits traits;
  Support (*supports)(const ResampleProblem&, const Machine&);
  void (*run)(const ResampleProblem&, const ResampleBuffers&, Queue&);
};

// Best first, "reference" last.
std::span<const ResampleKernel> resample_kernels();

}  // namespace instructblip::kernels
