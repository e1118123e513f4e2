// Units of weights times activations: what tiled_product.cu and tiled_product_bulk.cu do alike,
// whatever way the weights come, and some of it grouped_product.cu. Included by these only.
#pragma once

#include <cstdint>

#include "kernels/cuda/dev.h"
#include "kernels/cuda/tiled_product.h"
#include "kernels/cuda/weight_tiles.h"

namespace instructblip::kernels::cuda {

constexpr int kProductWarps = 8;  // share out the units of a tile
constexpr int kProductThreads = 32 * kProductWarps;

struct TiledArguments {
  TiledProductProblem problem;
  TiledProductBuffers buffers;
  std::int32_t tiles, units, tile_bytes;
  std::int32_t slots;  // in a ring that bulk copies fill
};

// What makes 16-bit floats of few bits: a base whose last bit is worth 1 takes them up, and a sum
// takes the base off again. Both are exact.
template <class T>
struct Magic;
template <>
struct Magic<dev::Half> {
  static constexpr std::uint32_t kOne = 0x3c003c00;
  static constexpr std::uint32_t kBase = 0x64006400;         // 1024: the last bit is 1
  static constexpr std::uint32_t kMinusBase = 0xe400e400;    // with the bit 7: -1152
  static constexpr std::uint32_t kMinusNibble = 0xe408e408;  // -1032
};
template <>
struct Magic<dev::Bfloat> {
  static constexpr std::uint32_t kOne = 0x3f803f80;
  static constexpr std::uint32_t kBase = 0x43004300;         // 128: the last bit is 1
  static constexpr std::uint32_t kMinusBase = 0xc300c300;    // with the bit 7: -256
  static constexpr std::uint32_t kMinusNibble = 0xc308c308;  // -136
};

// The low bytes of two halves, each an int8: base + its lower bits, - base - 128 if it is negative.
template <class T>
__device__ __forceinline__ std::uint32_t widen_bytes(std::uint32_t bytes) {
  return dev::multiply_add_two<T>(dev::and_or(bytes, 0x007f007f, Magic<T>::kBase), Magic<T>::kOne,
                                  dev::and_or(bytes, 0x00800080, Magic<T>::kMinusBase));
}
template <class T>
__device__ __forceinline__ dev::Words4 widen_eight_bytes(std::uint32_t low, std::uint32_t high) {
  return {widen_bytes<T>(dev::pick_bytes(low, 0, 0x4140)),
          widen_bytes<T>(dev::pick_bytes(low, 0, 0x4342)),
          widen_bytes<T>(dev::pick_bytes(high, 0, 0x4140)),
          widen_bytes<T>(dev::pick_bytes(high, 0, 0x4342))};
}

// The lowest 4 bits of two halves, less 8.
template <class T>
__device__ __forceinline__ std::uint32_t widen_nibbles(std::uint32_t word) {
  return dev::multiply_add_two<T>(dev::and_or(word, 0x000f000f, Magic<T>::kBase), Magic<T>::kOne,
                                  Magic<T>::kMinusNibble);
}
template <class T>
__device__ __forceinline__ dev::Words4 widen_eight_nibbles(std::uint32_t word) {
  return {widen_nibbles<T>(word), widen_nibbles<T>(word >> 4), widen_nibbles<T>(word >> 8),
          widen_nibbles<T>(word >> 12)};
}

// Activations: in shared memory where they have been normalised, else where they are.
template <class T, bool kStaged>
struct Activations {
  const T* x;
  dev::Shared<T> staged;
  std::int32_t pitch, rows, inputs;

  __device__ __forceinline__ dev::Words4 eight(int row, int input) const {
    if (row >= rows || input >= inputs) return {0, 0, 0, 0};
    if constexpr (kStaged) {
      return (staged + static_cast<unsigned>(row * pitch + input))
          .template as<dev::Words4>()
          .load();
    } else {
      return dev::load_global<dev::Words4>(x + static_cast<std::int64_t>(row) * pitch + input);
    }
  }
};

// Rows in shared memory, of which two neighbours begin in different halves of the banks.
__host__ __device__ constexpr std::int32_t staged_pitch(std::int32_t inputs) {
  return (inputs + 63) / 64 * 64 + 32;
}

// 32 inputs: two products.
template <class T>
__device__ __forceinline__ void multiply_eight(const dev::Words4& upper, const dev::Words4& lower,
                                               const dev::Words4& x, float (&sums)[4]) {
  const std::uint32_t first[4] = {upper.x, lower.x, upper.y, lower.y};
  const std::uint32_t second[4] = {upper.z, lower.z, upper.w, lower.w};
  dev::multiply<T>(sums, first, x.x, x.y);
  dev::multiply<T>(sums, second, x.z, x.w);
}

// A lane's part of a unit: 16 bytes of two rows, and in w4 the scales of these.
struct UnitWords {
  dev::Words4 upper, lower, scales;
};

// sums [16 outputs, 8 kTiles rows] += a unit times activations. kBits: 16, 8 or 4.
template <class T, int kBits, int kTiles, class Rows>
__device__ __forceinline__ void multiply_unit(const UnitWords& w, int unit, const Rows& x,
                                              float (&sums)[kTiles][4]) {
  const int row = static_cast<int>(dev::lane()) / 4;
  const int input = unit * (512 / kBits) + static_cast<int>(dev::lane()) % 4 * 8;
  if constexpr (kBits == 16) {
#pragma unroll
    for (int t = 0; t < kTiles; ++t) {
      multiply_eight<T>(w.upper, w.lower, x.eight(t * 8 + row, input), sums[t]);
    }
  } else if constexpr (kBits == 8) {
    const dev::Words4 upper[2] = {widen_eight_bytes<T>(w.upper.x, w.upper.y),
                                  widen_eight_bytes<T>(w.upper.z, w.upper.w)};
    const dev::Words4 lower[2] = {widen_eight_bytes<T>(w.lower.x, w.lower.y),
                                  widen_eight_bytes<T>(w.lower.z, w.lower.w)};
#pragma unroll
    for (int i = 0; i < 2; ++i) {
#pragma unroll
      for (int t = 0; t < kTiles; ++t) {
        multiply_eight<T>(upper[i], lower[i], x.eight(t * 8 + row, input + 32 * i), sums[t]);
      }
    }
  } else {
    const std::uint32_t upper[4] = {w.upper.x, w.upper.y, w.upper.z, w.upper.w};
    const std::uint32_t lower[4] = {w.lower.x, w.lower.y, w.lower.z, w.lower.w};
    const dev::Float2 scales[4] = {
        dev::widen_two<dev::Half>(w.scales.x), dev::widen_two<dev::Half>(w.scales.y),
        dev::widen_two<dev::Half>(w.scales.z), dev::widen_two<dev::Half>(w.scales.w)};
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const dev::Words4 a = widen_eight_nibbles<T>(upper[i]), b = widen_eight_nibbles<T>(lower[i]);
      const float above = i % 2 == 0 ? scales[i / 2].x : scales[i / 2].y;
      const float below = i % 2 == 0 ? scales[2 + i / 2].x : scales[2 + i / 2].y;
#pragma unroll
      for (int t = 0; t < kTiles; ++t) {
        float block[4] = {};
        multiply_eight<T>(a, b, x.eight(t * 8 + row, input + 32 * i), block);
        sums[t][0] += above * block[0];
        sums[t][1] += above * block[1];
        sums[t][2] += below * block[2];
        sums[t][3] += below * block[3];
      }
    }
  }
}

// Sums of the warps: [warp][row][output], rows so far apart that lanes meet different banks.
constexpr int kPartialPitch = 20;
template <int kTiles>
constexpr int kPartials = kProductWarps* kTiles * 8 * kPartialPitch;

template <int kTiles>
__device__ __forceinline__ void store_partials(const float (&sums)[kTiles][4], int rows,
                                               dev::Shared<float> partials) {
  const int lane = static_cast<int>(dev::lane()), warp = static_cast<int>(dev::warp());
#pragma unroll
  for (int t = 0; t < kTiles; ++t) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int row = t * 8 + lane % 4 * 2 + i % 2, output = lane / 4 + i / 2 * 8;
      if (row >= rows) continue;
      partials.store(static_cast<unsigned>((warp * kTiles * 8 + row) * kPartialPitch + output),
                     sums[t][i]);
    }
  }
}

template <int kTiles>
__device__ __forceinline__ float sum_of_partials(dev::Shared<float> partials, int row, int output) {
  float sum = 0.0f;
#pragma unroll
  for (int w = 0; w < kProductWarps; ++w) {
    sum += partials.load(static_cast<unsigned>((w * kTiles * 8 + row) * kPartialPitch + output));
  }
  return sum;
}

}  // namespace instructblip::kernels::cuda
