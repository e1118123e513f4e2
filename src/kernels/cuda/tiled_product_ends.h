// What becomes of the sums of tiled_product.cu and tiled_product_bulk.cu. Included by the two only.
#pragma once

#include <cstdint>

#include "kernels/cuda/activated.h"
#include "kernels/cuda/dev.h"
#include "kernels/cuda/tiled_product_units.h"
#include "kernels/cuda/tiled_product_weights.h"

namespace instructblip::kernels::cuda {

template <class T>
__device__ __forceinline__ float biased(const TiledProductBuffers& b, int output, float sum) {
  return b.bias == nullptr ? sum : sum + dev::widen(static_cast<const T*>(b.bias)[output]);
}

template <class T>
__device__ __forceinline__ void finish_plain(const TiledArguments& a, int row, int output,
                                             float sum) {
  const TiledProductProblem& p = a.problem;
  const TiledProductBuffers& b = a.buffers;
  if (output >= p.outputs) return;
  const std::int64_t at = static_cast<std::int64_t>(row) * p.outputs + output;
  sum = biased<T>(b, output, sum);
  if (p.activates) sum = activated(p.gate, sum);
  if (b.residual != nullptr) sum += dev::widen(static_cast<const T*>(b.residual)[at]);
  if (p.wide) {
    static_cast<float*>(b.y)[at] = sum;
  } else {
    static_cast<T*>(b.y)[at] = dev::narrow<T>(sum);
  }
}

// Dimensions `d` and d + width / 2 of a head of a position, turned if it has a position.
template <class T>
__device__ __forceinline__ void finish_heads(const TiledArguments& a, int row, int head, int d,
                                             float low, float high) {
  const TiledProductProblem& p = a.problem;
  const TiledProductBuffers& b = a.buffers;
  const int half = p.width / 2, output = head * p.width + d;
  low = biased<T>(b, output, low);
  high = biased<T>(b, output + half, high);
  if (b.cosines != nullptr && head < p.query_heads + p.key_heads) {
    const std::int64_t plane = static_cast<std::int64_t>(row) * half + d;
    const float c = b.cosines[plane], s = b.sines[plane], x = low;
    low = x * c - high * s;
    high = high * c + x * s;
  }
  T* to;
  if (head < p.query_heads) {
    to = static_cast<T*>(b.queries) +
         (static_cast<std::int64_t>(row) * p.query_heads + head) * p.width;
  } else {
    const bool key = head < p.query_heads + p.key_heads;
    const int slot = b.slots[row], key_head = head - p.query_heads - (key ? 0 : p.key_heads);
    to = static_cast<T*>((key ? b.pages_of_keys : b.pages_of_values)[slot / p.page_positions]) +
         (static_cast<std::int64_t>(key_head) * p.page_positions + slot % p.page_positions) *
             p.width;
  }
  to[d] = dev::narrow<T>(low);
  to[d + half] = dev::narrow<T>(high);
}

// The sums of row r of a tile's upper half and of the same of its lower half, for one row of x.
template <class T>
__device__ __forceinline__ void finish_pair(const TiledArguments& a, int tile, int row, int r,
                                            float upper, float lower) {
  const TiledProductProblem& p = a.problem;
  using Finish = TiledProductProblem::Finish;
  if (p.finish == Finish::plain) {
    finish_plain<T>(a, row, tile * kRowsOfTile + r, upper);
    finish_plain<T>(a, row, tile * kRowsOfTile + 8 + r, lower);
  } else if (p.finish == Finish::gated) {
    const int output = tile * 8 + r;
    if (output >= p.outputs) return;
    static_cast<T*>(a.buffers.y)[static_cast<std::int64_t>(row) * p.outputs + output] =
        dev::narrow<T>(activated(p.gate, upper) * lower);
  } else {
    const int tiles = tiles_of_head(p.width), d = tile % tiles * 8 + r;
    if (d < p.width / 2) finish_heads<T>(a, row, tile / tiles, d, upper, lower);
  }
}

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
