// The best of many numbers, by the threads of a block. Included by kernels.
#pragma once

#include <cstdint>

#include "kernels/cuda/dev.h"

namespace instructblip::kernels::cuda {

// A number and its place among others, in an order without equals: the greater number first, of
// equal ones (-0 equals 0) the lower place. All zeros: nothing, behind every finite number.
struct Key {
  std::uint32_t value, place;

  __device__ __forceinline__ static Key of(float number, std::int32_t at) {
    const std::uint32_t bits = dev::bits_of(number + 0.0f);
    return {(bits >> 31) != 0 ? ~bits : bits | 0x80000000u, ~static_cast<std::uint32_t>(at)};
  }
  __device__ __forceinline__ bool nothing() const { return value == 0; }
  __device__ __forceinline__ float number() const {
    return dev::from_bits((value >> 31) != 0 ? value & 0x7fffffffu : ~value);
  }
  __device__ __forceinline__ std::int32_t at() const { return static_cast<std::int32_t>(~place); }
};

__device__ __forceinline__ bool before(const Key& a, const Key& b) {
  return a.value > b.value || (a.value == b.value && a.place > b.place);
}

constexpr unsigned kRankingThreads = 256;
constexpr unsigned kRankingWarps = kRankingThreads / 32;

// The first of all threads' keys. `exchange` [kRankingWarps] must not be that of the call before.
__device__ inline Key first_of_block(Key key, dev::Shared<dev::Words2> exchange) {
#pragma unroll
  for (unsigned by = 16; by > 0; by /= 2) {
    const Key other{dev::shuffle_xor(key.value, by), dev::shuffle_xor(key.place, by)};
    if (before(other, key)) key = other;
  }
  if (dev::lane() == 0) exchange.store(dev::warp(), {key.value, key.place});
  dev::sync_threads();
#pragma unroll
  for (unsigned w = 0; w < kRankingWarps; ++w) {
    const dev::Words2 other = exchange.load(w);
    if (before({other.x, other.y}, key)) key = {other.x, other.y};
  }
  return key;
}

// Takes the `count` first of all threads' keys, each of which is there once, out of them, and calls
// take(i, key) for each in all threads. `exchange`: [2][kRankingWarps].
template <int kEach, class Take>
__device__ void take_first(Key (&keys)[kEach], int count, dev::Shared<dev::Words2> exchange,
                           Take take) {
  Key own{0, 0};
  bool stale = true;
  for (int i = 0; i < count; ++i) {
    if (stale) {
      own = keys[0];
#pragma unroll
      for (int k = 1; k < kEach; ++k) own = before(keys[k], own) ? keys[k] : own;
    }
    const Key first = first_of_block(own, exchange + static_cast<unsigned>(i % 2) * kRankingWarps);
    take(i, first);
    stale = own.place == first.place && own.value == first.value;
    if (!stale) continue;
#pragma unroll
    for (int k = 0; k < kEach; ++k) {
      if (keys[k].place == first.place) keys[k] = {0, 0};
    }
  }
}

}  // namespace instructblip::kernels::cuda
