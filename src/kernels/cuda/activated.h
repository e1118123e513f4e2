// Activations of one number. Included by kernels.
#pragma once

#include "kernels/cuda/dev.h"
#include "kernels/cuda/rows.h"

namespace instructblip::kernels::cuda {

__device__ __forceinline__ float sigmoid(float x) {
  return dev::reciprocal(1.0f + dev::exponential(-x));
}

template <Activation kActivation>
__device__ __forceinline__ float activated(float x) {
  if constexpr (kActivation == Activation::relu) return fmaxf(x, 0.0f);
  if constexpr (kActivation == Activation::gelu) {
    // The complement keeps the digits of small values where erf is close to -1.
    return 0.5f * x * dev::complementary_error_function(x * -0.70710678118654752f);
  }
  if constexpr (kActivation == Activation::gelu_new) {
    // 1 + tanh(z) without the cancellation.
    return x * sigmoid(1.5957691216057308f * (x + 0.044715f * x * x * x));
  }
  if constexpr (kActivation == Activation::quick_gelu) return x * sigmoid(1.702f * x);
  if constexpr (kActivation == Activation::silu) return x * sigmoid(x);
}

__device__ __forceinline__ float activated(Activation activation, float x) {
  switch (activation) {
    case Activation::relu:
      return activated<Activation::relu>(x);
    case Activation::gelu:
      return activated<Activation::gelu>(x);
    case Activation::gelu_new:
      return activated<Activation::gelu_new>(x);
    case Activation::quick_gelu:
      return activated<Activation::quick_gelu>(x);
    case Activation::silu:
      break;
  }
  return activated<Activation::silu>(x);
}

}  // namespace instructblip::kernels::cuda
