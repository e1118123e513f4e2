// The loops of a linear product, for the instruction set that the including file is compiled for.
#pragma once

#include "kernels/cpu/lanes.h"
#include "kernels/cpu/linear_block.h"
#include "kernels/cpu/weight_ahead.h"

namespace instructblip::kernels::cpu {
namespace {

static_assert(kLanes == 16);  // RowsBySixteens

// Sums that stay in registers at once: tiles of M rows and N outputs.
#if defined(__AVX512F__)
constexpr int kTileRows = 4;
constexpr int kTileOutputs = 4;
constexpr int kTileOutputsOfFewRows = 8;  // for one or two
constexpr int kTileOutputsOfABeam = 4;    // for five, or four
#else
constexpr int kTileRows = 3;
constexpr int kTileOutputs = 2;
constexpr int kTileOutputsOfFewRows = 2;
constexpr int kTileOutputsOfABeam = 1;
#endif
static_assert(kRowsRegrouped % kTileRows == 0);

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

template <int M, int N, class Weight, bool kStream>
INSTRUCTBLIP_KERNEL void row_of_tiles(const LinearBlock& block, std::int64_t row) {
  const auto* weights = static_cast<const Weight*>(block.weights);
  const float* x = block.x + row * inputs_by_sixteens(block.inputs);
  float* y = block.y + row * block.stride;
  std::int64_t j = 0;
  for (; j + N <= block.outputs; j += N) {
    tile<M, N, kStream>(block, x, weights + j * block.inputs, y + j);
  }
  for (; j < block.outputs; ++j) {
    tile<M, 1, kStream>(block, x, weights + j * block.inputs, y + j);
  }
}

// Rows of the tile that begins with `row`. Up to five rows, as a step with beams has, are one tile,
// so that no weight is read twice.
INSTRUCTBLIP_KERNEL std::int64_t rows_of_tile(std::int64_t rows, std::int64_t row) {
  if (rows <= 5) return rows;
  const std::int64_t left = rows - row;
  if (left >= kTileRows) return kTileRows;
  return left >= 2 ? 2 : 1;
}

INSTRUCTBLIP_KERNEL void regroup(const RowsBySixteens& r) {
  for (std::int64_t row = r.first, count; row < r.last; row += count) {
    count = rows_of_tile(r.rows, row);
    float* tile = r.tiles + row * inputs_by_sixteens(r.inputs);
    for (std::int64_t i = 0; i < r.inputs; i += kLanes, tile += count * kLanes) {
      for (std::int64_t m = 0; m < count; ++m) {
        store(load_up_to(r.x + (row + m) * r.inputs + i, r.inputs - i), tile + m * kLanes);
      }
    }
  }
}

template <class Weight>
INSTRUCTBLIP_KERNEL void linear_block(const LinearBlock& block) {
  constexpr bool kStream = true;
  switch (block.rows) {
    case 5:
      return row_of_tiles<5, kTileOutputsOfABeam, Weight, kStream>(block, 0);
    case 4:
      return row_of_tiles<4, kTileOutputsOfABeam, Weight, kStream>(block, 0);
    case 3:
      return row_of_tiles<3, kTileOutputs, Weight, kStream>(block, 0);
    case 2:
      return row_of_tiles<2, kTileOutputsOfFewRows, Weight, kStream>(block, 0);
    case 1:
      return row_of_tiles<1, kTileOutputsOfFewRows, Weight, kStream>(block, 0);
    default:
      break;
  }
  for (std::int64_t row = 0; row < block.rows; row += rows_of_tile(block.rows, row)) {
    switch (rows_of_tile(block.rows, row)) {
      case kTileRows:
        row_of_tiles<kTileRows, kTileOutputs, Weight, !kStream>(block, row);
        break;
      case 2:
        row_of_tiles<2, kTileOutputsOfFewRows, Weight, !kStream>(block, row);
        break;
      default:
        row_of_tiles<1, kTileOutputsOfFewRows, Weight, !kStream>(block, row);
    }
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
