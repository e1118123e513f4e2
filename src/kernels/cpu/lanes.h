// Sixteen floats in whatever registers the file is compiled for: one of AVX-512, two of AVX2, or an
// array. Sums over them are added in one order, so that files compiled for AVX-512 and for AVX2
// give the same bits. Included by files of one instruction set only, to each of which it is its
// own; so it includes nothing that brings functions with it.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#define INSTRUCTBLIP_KERNEL [[gnu::always_inline]] inline

namespace instructblip::kernels::cpu {
namespace {

constexpr std::int64_t kLanes = 16;

// Elements of weights held in 16 bits.
struct Half {
  std::uint16_t bits;
};
struct BFloat16 {
  std::uint16_t bits;
};
// Whole numbers of 8 bits.
struct Int8 {
  std::int8_t value;
};

}  // namespace
}  // namespace instructblip::kernels::cpu

#if defined(__AVX512F__)
#include "kernels/cpu/lanes_avx512.h"
#elif defined(__AVX2__)
#include "kernels/cpu/lanes_avx2.h"
#else
#include "kernels/cpu/lanes_portable.h"
#endif

namespace instructblip::kernels::cpu {
namespace {

// The first `count` < 16 elements, zeros behind them.
template <class Element>
INSTRUCTBLIP_KERNEL Lanes load_first(const Element* from, std::int64_t count) {
  Element elements[kLanes] = {};
  std::memcpy(elements, from, static_cast<std::size_t>(count) * sizeof(Element));
  return load(elements);
}

// The first of the `count` numbers that are left, zeros behind them.
INSTRUCTBLIP_KERNEL Lanes load_up_to(const float* from, std::int64_t count) {
  if (count >= kLanes) return load(from);
  return count > 0 ? load_first(from, count) : broadcast(0.0f);
}

INSTRUCTBLIP_KERNEL void store_first(const Lanes& lanes, std::int64_t count, float* to) {
  float elements[kLanes];
  store(lanes, elements);
  std::memcpy(to, elements, static_cast<std::size_t>(count) * sizeof(float));
}

INSTRUCTBLIP_KERNEL Lanes magnitude(const Lanes& x) {
  return larger(x, subtract(broadcast(0.0f), x));
}

// The largest lane.
INSTRUCTBLIP_KERNEL float largest(const Lanes& x) {
  float lanes[kLanes];
  store(x, lanes);
  float max = lanes[0];
  for (std::int64_t i = 1; i < kLanes; ++i) max = lanes[i] > max ? lanes[i] : max;
  return max;
}

}  // namespace
}  // namespace instructblip::kernels::cpu
