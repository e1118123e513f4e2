// The names of dev.h for nvcc: where a thread is, waiting, lanes, numbers. Included by dev.h only.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <type_traits>

#include "kernels/cuda/types.h"

namespace instructblip::kernels::dev {

__device__ __forceinline__ unsigned thread() { return threadIdx.x; }
__device__ __forceinline__ unsigned lane() { return threadIdx.x % 32; }
__device__ __forceinline__ unsigned warp() { return threadIdx.x / 32; }
__device__ __forceinline__ unsigned block_x() { return blockIdx.x; }
__device__ __forceinline__ unsigned block_y() { return blockIdx.y; }
__device__ __forceinline__ unsigned block_z() { return blockIdx.z; }
__device__ __forceinline__ unsigned blocks_x() { return gridDim.x; }
__device__ __forceinline__ unsigned threads() { return blockDim.x; }

__device__ __forceinline__ void sync_threads() { __syncthreads(); }
__device__ __forceinline__ void sync_warp(std::uint32_t mask = kAllLanes) { __syncwarp(mask); }
template <int kId>
__device__ __forceinline__ void sync_some(std::uint32_t count) {
  asm volatile("bar.sync %0, %1;" ::"n"(kId), "r"(count) : "memory");
}
template <int kId>
__device__ __forceinline__ void arrive_some(std::uint32_t count) {
  asm volatile("bar.arrive %0, %1;" ::"n"(kId), "r"(count) : "memory");
}

template <class T>
__device__ __forceinline__ T shuffle_xor(T value, unsigned by, std::uint32_t mask = kAllLanes) {
  return __shfl_xor_sync(mask, value, static_cast<int>(by));
}
template <class T>
__device__ __forceinline__ T shuffle_down(T value, unsigned by, std::uint32_t mask = kAllLanes) {
  return __shfl_down_sync(mask, value, by);
}
template <class T>
__device__ __forceinline__ T shuffle_from(T value, unsigned lane, std::uint32_t mask = kAllLanes) {
  return __shfl_sync(mask, value, static_cast<int>(lane));
}
__device__ __forceinline__ std::uint32_t ballot(bool predicate, std::uint32_t mask = kAllLanes) {
  return __ballot_sync(mask, predicate);
}

__device__ __forceinline__ float widen(Half value) {
  float wide;
  asm("cvt.f32.f16 %0, %1;" : "=f"(wide) : "h"(value.bits));
  return wide;
}
__device__ __forceinline__ float widen(Bfloat value) {
  return __uint_as_float(static_cast<std::uint32_t>(value.bits) << 16);
}
// The first in the lower half.
template <class T>
__device__ __forceinline__ std::uint32_t narrow_two(float low, float high) {
  std::uint32_t two;
  if constexpr (std::is_same_v<T, Half>) {
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(two) : "f"(high), "f"(low));
  } else {
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(two) : "f"(high), "f"(low));
  }
  return two;
}
template <class T>
__device__ __forceinline__ T narrow(float value) {
  if constexpr (std::is_same_v<T, float>) {
    return value;
  } else {
    return T{static_cast<std::uint16_t>(narrow_two<T>(value, 0.0f))};
  }
}
template <class T>
__device__ __forceinline__ Float2 widen_two(std::uint32_t two) {
  return {widen(T{static_cast<std::uint16_t>(two)}),
          widen(T{static_cast<std::uint16_t>(two >> 16)})};
}
__device__ __forceinline__ std::uint32_t bits_of(float x) { return __float_as_uint(x); }
__device__ __forceinline__ float from_bits(std::uint32_t bits) { return __uint_as_float(bits); }
// a * b + c of two numbers each, rounded once.
template <class T>
__device__ __forceinline__ std::uint32_t multiply_add_two(std::uint32_t a, std::uint32_t b,
                                                          std::uint32_t c) {
  std::uint32_t two;
  if constexpr (std::is_same_v<T, Half>) {
    asm("fma.rn.f16x2 %0, %1, %2, %3;" : "=r"(two) : "r"(a), "r"(b), "r"(c));
  } else {
    asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(two) : "r"(a), "r"(b), "r"(c));
  }
  return two;
}
__device__ __forceinline__ float power_of_two(float x) {
  float power;
  asm("ex2.approx.f32 %0, %1;" : "=f"(power) : "f"(x));
  return power;
}
__device__ __forceinline__ float exponential(float x) { return expf(x); }
__device__ __forceinline__ float logarithm(float x) { return logf(x); }
// To a unit in the last place, without the branch that an exact one has.
__device__ __forceinline__ float reciprocal(float x) {
  float inverse;
  asm("rcp.approx.f32 %0, %1;" : "=f"(inverse) : "f"(x));
  return inverse;
}
__device__ __forceinline__ float inverse_root(float x) { return rsqrtf(x); }
__device__ __forceinline__ float complementary_error_function(float x) { return erfcf(x); }
__device__ __forceinline__ float hyperbolic_tangent(float x) { return tanhf(x); }
__device__ __forceinline__ std::uint32_t pick_bytes(std::uint32_t a, std::uint32_t b,
                                                    std::uint32_t selector) {
  return __byte_perm(a, b, selector);
}
// One lop3.
__device__ __forceinline__ std::uint32_t and_or(std::uint32_t a, std::uint32_t mask,
                                                std::uint32_t set) {
  std::uint32_t word;
  asm("lop3.b32 %0, %1, %2, %3, 0xea;" : "=r"(word) : "r"(a), "r"(mask), "r"(set));
  return word;
}

}  // namespace instructblip::kernels::dev
