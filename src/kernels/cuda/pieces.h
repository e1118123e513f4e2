// Eight numbers of 16 bits at a time. Included by kernels.
#pragma once

#include <cstdint>

#include "kernels/cuda/dev.h"

namespace instructblip::kernels::cuda {

template <class T>
__device__ __forceinline__ void widen_eight(const dev::Words4& piece, float (&to)[8]) {
  const std::uint32_t words[4] = {piece.x, piece.y, piece.z, piece.w};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const dev::Float2 two = dev::widen_two<T>(words[i]);
    to[2 * i] = two.x;
    to[2 * i + 1] = two.y;
  }
}

template <class T>
__device__ __forceinline__ dev::Words4 narrow_eight(const float (&x)[8]) {
  return {dev::narrow_two<T>(x[0], x[1]), dev::narrow_two<T>(x[2], x[3]),
          dev::narrow_two<T>(x[4], x[5]), dev::narrow_two<T>(x[6], x[7])};
}

// The sum over a warp, in all its lanes.
__device__ __forceinline__ float sum_of_warp(float value) {
#pragma unroll
  for (unsigned by = 16; by > 0; by /= 2) value += dev::shuffle_xor(value, by);
  return value;
}

}  // namespace instructblip::kernels::cuda
