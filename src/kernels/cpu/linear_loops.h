// The loops of a linear product, for the instruction set that the including file is compiled for.
#pragma once

#include "kernels/cpu/lanes.h"
#include "kernels/cpu/linear_block.h"
#include "kernels/cpu/weight_ahead.h"

namespace instructblip::kernels::cpu {
namespace {

static_assert(kLanes == 16);  // RowsBySixteens

// Sums that stay in registers at once: tiles of M rows and N outputs. Rows that are no more than
// kRowsOfOneTile are one tile, so that nothing is loaded twice; more are tiles of kRowsOfATile,
// which multiply most for what they load.
#if defined(__AVX512F__)
constexpr std::int64_t kRowsOfOneTile = 8;
constexpr std::int64_t kRowsOfATile = 6;
constexpr int outputs_of_tile(int rows) {
  if (rows <= 2) return 8;
  return rows <= 6 ? 4 : 3;
}
#else
constexpr std::int64_t kRowsOfOneTile = 5;
constexpr std::int64_t kRowsOfATile = 3;
constexpr int outputs_of_tile(int rows) { return rows <= 3 ? 2 : 1; }
#endif

// y[m, n] = x[m] . weights[n] for M x N of them: each is the same sum, whatever M and N are. A
// stream of weights is read once, in the order of memory; others are read again with the next rows.
template <int M, int N, bool kStream, class Weight>
INSTRUCTBLIP_KERNEL void tile(const LinearBlock& block, const float* x, const Weight* weights,
                              float* y) {
  const std::int64_t inputs = block.inputs;
  Lanes sums[M][N];
  for (int m = 0; m < M; ++m) {
    for (int n = 0; n < N; ++n) sums[m][n] = broadcast(0.0f);
  }
  std::int64_t i = 0;
  for (; i + kLanes <= inputs; i += kLanes) {
    Lanes rows[M];
    for (int m = 0; m < M; ++m) rows[m] = load(x + i * M + m * kLanes);
    for (int n = 0; n < N; ++n) {
      const Weight* from = weights + n * inputs + i;
      if constexpr (kStream) prefetch_rows(from, N * inputs);
      const Lanes weight = load(from);
      for (int m = 0; m < M; ++m) sums[m][n] = multiply_add(rows[m], weight, sums[m][n]);
    }
  }
  if (i < inputs) {
    for (int n = 0; n < N; ++n) {
      const Lanes weight = load_first(weights + n * inputs + i, inputs - i);
      for (int m = 0; m < M; ++m) {
        const Lanes row = load_first(x + i * M + m * kLanes, inputs - i);
        sums[m][n] = multiply_add(row, weight, sums[m][n]);
      }
    }
  }
  for (int m = 0; m < M; ++m) {
    for (int n = 0; n < N; ++n) y[m * block.stride + n] = sum(sums[m][n]);
  }
}

// Rows of the tile that begins with `row`, of a group of rows, which is shared out evenly.
INSTRUCTBLIP_KERNEL std::int64_t rows_of_tile(std::int64_t rows, std::int64_t row) {
  const std::int64_t tiles = rows <= kRowsOfOneTile ? 1 : (rows + kRowsOfATile - 1) / kRowsOfATile;
  const std::int64_t most = (rows + tiles - 1) / tiles;
  const std::int64_t those_of_most = rows - tiles * (most - 1);
  return row < those_of_most * most ? most : most - 1;
}

INSTRUCTBLIP_KERNEL void regroup(const RowsBySixteens& r) {
  float* tile = r.tiles;
  for (std::int64_t row = 0, count; row < r.rows; row += count) {
    count = rows_of_tile(r.rows, row);
    for (std::int64_t i = 0; i < r.inputs; i += kLanes, tile += count * kLanes) {
      for (std::int64_t m = 0; m < count; ++m) {
        store(load_up_to(r.x + (row + m) * r.inputs + i, r.inputs - i), tile + m * kLanes);
      }
    }
  }
}

// N outputs of all rows of a block, whose first tile has M: it reads the weights from memory, the
// tiles behind it from a cache.
template <int M, int N, class Weight>
INSTRUCTBLIP_KERNEL void column_of_tiles(const LinearBlock& block, const Weight* weights,
                                         float* y) {
  constexpr bool kStream = true;
  tile<M, N, kStream>(block, block.x, weights, y);
  for (std::int64_t row = M, count; row < block.rows; row += count) {
    count = rows_of_tile(block.rows, row);
    const float* x = block.x + row * inputs_by_sixteens(block.inputs);
    if (count == M) {
      tile<M, N, !kStream>(block, x, weights, y + row * block.stride);
    } else if constexpr (M > 1) {
      tile<M - 1, N, !kStream>(block, x, weights, y + row * block.stride);
    }
  }
}

template <int M, class Weight>
INSTRUCTBLIP_KERNEL void columns_of_tiles(const LinearBlock& block) {
  constexpr int N = outputs_of_tile(M);
  const auto* weights = static_cast<const Weight*>(block.weights);
  std::int64_t j = 0;
  for (; j + N <= block.outputs; j += N) {
    column_of_tiles<M, N>(block, weights + j * block.inputs, block.y + j);
  }
  for (; j < block.outputs; ++j) {
    column_of_tiles<M, 1>(block, weights + j * block.inputs, block.y + j);
  }
}

template <class Weight>
INSTRUCTBLIP_KERNEL void linear_block(const LinearBlock& block) {
  switch (rows_of_tile(block.rows, 0)) {
    case 1:
      return columns_of_tiles<1, Weight>(block);
    case 2:
      return columns_of_tiles<2, Weight>(block);
    case 3:
      return columns_of_tiles<3, Weight>(block);
    case 4:
      return columns_of_tiles<4, Weight>(block);
    case 5:
      return columns_of_tiles<5, Weight>(block);
#if defined(__AVX512F__)
    case 6:
      return columns_of_tiles<6, Weight>(block);
    case 7:
      return columns_of_tiles<7, Weight>(block);
    case 8:
      return columns_of_tiles<8, Weight>(block);
#endif
    default:
      break;
  }
}

INSTRUCTBLIP_KERNEL void linear_block_of_any(const LinearBlock& block) {
  switch (block.storage) {
    case Storage::f32:
      return linear_block<float>(block);
    case Storage::f16:
      return linear_block<Half>(block);
    case Storage::bf16:
      return linear_block<BFloat16>(block);
  }
}

template <class Weight>
INSTRUCTBLIP_KERNEL void widen(const void* weights, std::int64_t count, float* out) {
  const auto* from = static_cast<const Weight*>(weights);
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store(load(from + i), out + i);
  if (i < count) store_first(load_first(from + i, count - i), count - i, out + i);
}

INSTRUCTBLIP_KERNEL void widen_any(const void* weights, Storage storage, std::int64_t count,
                                   float* out) {
  if (storage == Storage::f16) return widen<Half>(weights, count, out);
  if (storage == Storage::bf16) return widen<BFloat16>(weights, count, out);
  widen<float>(weights, count, out);
}

}  // namespace
}  // namespace instructblip::kernels::cpu
