// How wide the rows of a head are in shared memory. Included by kernels of attention.
#pragma once

#include <cstdint>
#include <type_traits>

namespace instructblip::kernels::cuda {

// Heads are filled up with zeros to one of these widths, for each of which there is a kernel.
// Returns what `launch` returns of the narrowest, as an integral_constant, that is wide enough.
template <class Launch>
int with_padded_width(std::int32_t width, Launch launch) {
  if (width <= 64) return launch(std::integral_constant<int, 64>());
  if (width <= 80) return launch(std::integral_constant<int, 80>());
  if (width <= 96) return launch(std::integral_constant<int, 96>());
  return launch(std::integral_constant<int, 128>());
}

// From one row to the next, in elements of 16 bits: an odd number of 16 bytes, so that eight rows
// of one matrix lie in different banks.
template <int kPadded>
constexpr int kPitch = kPadded + 8;

}  // namespace instructblip::kernels::cuda
