// The two ways in which weights of tiled_product.cu and tiled_product_bulk.cu lie: in tiles
// (weight_tiles.h), or as a matrix [outputs, inputs] whose rows a tile picks. Included by the two
// only.
#pragma once

#include <cstdint>

#include "kernels/cuda/dev.h"
#include "kernels/cuda/tiled_product_units.h"

namespace instructblip::kernels::cuda {

template <int kBitsOfOne>
struct TileWeights {
  static constexpr bool kInRows = false;
  static constexpr int kBits = kBitsOfOne;
  static constexpr int kUnitBytes = kBits == 4 ? 1152 : 1024;
};

struct RowWeights {
  static constexpr bool kInRows = true;
  static constexpr int kBits = 16;
  static constexpr int kUnitBytes = 1024;  // in a ring: 16 rows
};

// Tiles of a head: of each half of it they have eight dimensions, the last perhaps fewer.
__host__ __device__ constexpr int tiles_of_head(int width) { return (width / 2 + 7) / 8; }

// The row of a matrix that is the row r, below 16, of a tile. Behind the last one it is that one
// again: nobody reads what becomes of it.
__device__ __forceinline__ std::int64_t row_of_tile(const TiledProductProblem& p, int tile, int r) {
  using Finish = TiledProductProblem::Finish;
  const int half = p.width / 2, last = p.finish == Finish::heads ? half - 1 : p.outputs - 1;
  if (p.finish == Finish::plain) {
    const int row = tile * kRowsOfTile + r;
    return row < last ? row : last;
  }
  const bool heads = p.finish == Finish::heads;
  const int tiles = heads ? tiles_of_head(p.width) : 1;
  int row = (heads ? tile % tiles : tile) * 8 + r % 8;
  row = row < last ? row : last;
  if (r >= 8) row += heads ? half : p.outputs;
  return heads ? tile / tiles * p.width + row : row;
}

__device__ __forceinline__ const unsigned char* begin_of_row(const TiledArguments& a, int tile,
                                                             int r) {
  return static_cast<const unsigned char*>(a.buffers.tiles) +
         row_of_tile(a.problem, tile, r) * a.problem.inputs * 2;
}

template <class W>
__device__ __forceinline__ const unsigned char* begin_of_tile(const TiledArguments& a, int tile) {
  return static_cast<const unsigned char*>(a.buffers.tiles) +
         static_cast<std::int64_t>(tile) * a.tile_bytes + (W::kBits == 8 ? 128 : 0);
}

}  // namespace instructblip::kernels::cuda
