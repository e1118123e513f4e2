// What becomes of the sums of tiled_product.cu and tiled_product_bulk.cu. Included by the two only.
#pragma once

#include <cstdint>

#include "kernels/cuda/activated.h"
#include "kernels/cuda/dev.h"
#include "kernels/cuda/tiled_product_units.h"
#include "kernels/cuda/tiled_product_weights.h"

namespace instructblip::kernels::cuda {

// What the two sums of a pair meet: that of row r of a tile's upper half and that of the same of
// its lower half, for one row of x. It is read while the sums are still computed.
template <class T>
struct Ending {
  int outputs[2];  // which they are; heads: of all heads
  float bias[2], residual[2];
  float cosine, sine;
  T* head;  // where the head of this position goes; null: there is no such dimension
  int dimension;

  __device__ __forceinline__ void read(const TiledArguments& a, int tile, int row, int r) {
    using Finish = TiledProductProblem::Finish;
    const TiledProductProblem& p = a.problem;
    if (p.finish == Finish::heads) {
      read_head(a, tile, row, r);
      return;
    }
    const bool gated = p.finish == Finish::gated;
    outputs[0] = gated ? tile * 8 + r : tile * kRowsOfTile + r;
    outputs[1] = outputs[0] + 8;
    if (gated) return;
    read_biases(a);
    if (a.buffers.residual == nullptr) return;
    const T* from =
        static_cast<const T*>(a.buffers.residual) + static_cast<std::int64_t>(row) * p.outputs;
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      if (outputs[i] < p.outputs) residual[i] = dev::widen(from[outputs[i]]);
    }
  }

  __device__ __forceinline__ void finish(const TiledArguments& a, int row, float upper,
                                         float lower) const {
    using Finish = TiledProductProblem::Finish;
    const TiledProductProblem& p = a.problem;
    if (p.finish == Finish::heads) {
      finish_head(a, upper, lower);
    } else if (p.finish == Finish::gated) {
      if (outputs[0] >= p.outputs) return;
      static_cast<T*>(a.buffers.y)[static_cast<std::int64_t>(row) * p.outputs + outputs[0]] =
          dev::narrow<T>(activated(p.gate, upper) * lower);
    } else {
      finish_plain(a, row, 0, upper);
      finish_plain(a, row, 1, lower);
    }
  }

 private:
  __device__ __forceinline__ void read_biases(const TiledArguments& a) {
    const T* from = static_cast<const T*>(a.buffers.bias);
    if (from == nullptr) return;
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      if (outputs[i] < a.problem.outputs) bias[i] = dev::widen(from[outputs[i]]);
    }
  }

  // Dimensions d and d + width / 2 of a head of a position.
  __device__ __forceinline__ void read_head(const TiledArguments& a, int tile, int row, int r) {
    const TiledProductProblem& p = a.problem;
    const TiledProductBuffers& b = a.buffers;
    const int tiles = tiles_of_head(p.width), half = p.width / 2, number = tile / tiles;
    dimension = tile % tiles * 8 + r;
    head = nullptr;
    if (dimension >= half) return;
    outputs[0] = number * p.width + dimension;
    outputs[1] = outputs[0] + half;
    read_biases(a);
    if (b.cosines != nullptr) {
      const std::int64_t plane = static_cast<std::int64_t>(row) * half + dimension;
      cosine = b.cosines[plane];
      sine = b.sines[plane];
    }
    if (number < p.query_heads) {
      head = static_cast<T*>(b.queries) +
             (static_cast<std::int64_t>(row) * p.query_heads + number) * p.width;
      return;
    }
    const bool key = number < p.query_heads + p.key_heads;
    const int slot = b.slots[row], key_head = number - p.query_heads - (key ? 0 : p.key_heads);
    head = static_cast<T*>((key ? b.pages_of_keys : b.pages_of_values)[slot / p.page_positions]) +
           (static_cast<std::int64_t>(key_head) * p.page_positions + slot % p.page_positions) *
               p.width;
  }

  __device__ __forceinline__ void finish_plain(const TiledArguments& a, int row, int i,
                                               float sum) const {
    const TiledProductProblem& p = a.problem;
    const TiledProductBuffers& b = a.buffers;
    if (outputs[i] >= p.outputs) return;
    const std::int64_t at = static_cast<std::int64_t>(row) * p.outputs + outputs[i];
    if (b.bias != nullptr) sum += bias[i];
    if (p.activates) sum = activated(p.gate, sum);
    if (b.residual != nullptr) sum += residual[i];
    if (p.wide) {
      static_cast<float*>(b.y)[at] = sum;
    } else {
      static_cast<T*>(b.y)[at] = dev::narrow<T>(sum);
    }
  }

  // Turned if it has a position.
  __device__ __forceinline__ void finish_head(const TiledArguments& a, float low,
                                              float high) const {
    const TiledProductProblem& p = a.problem;
    if (head == nullptr) return;
    if (a.buffers.bias != nullptr) {
      low += bias[0];
      high += bias[1];
    }
    if (a.buffers.cosines != nullptr && outputs[0] < (p.query_heads + p.key_heads) * p.width) {
      const float x = low;
      low = x * cosine - high * sine;
      high = high * cosine + x * sine;
    }
    head[dimension] = dev::narrow<T>(low);
    head[dimension + p.width / 2] = dev::narrow<T>(high);
  }
};

// The scales of w8 of row r of both halves; 1 in other formats.
template <int kBits>
__device__ __forceinline__ dev::Float2 scales_of_rows(const TiledArguments& a, int tile, int r) {
  if constexpr (kBits != 8) return {1.0f, 1.0f};
  const auto* scales =
      reinterpret_cast<const float*>(static_cast<const unsigned char*>(a.buffers.tiles) +
                                     static_cast<std::int64_t>(tile) * a.tile_bytes);
  return {scales[r], scales[r + 8]};
}

}  // namespace instructblip::kernels::cuda
