// Rows times panels of keys or values, for the instruction set that the including file is compiled
// for.
#pragma once

#include "kernels/cpu/attention_rows.h"
#include "kernels/cpu/lanes.h"

namespace instructblip::kernels::cpu {
namespace {

static_assert(kLanes == kColumnsOfPanel);

// Sums that stay in registers at once: tiles of M rows and N panels.
#if defined(__AVX512F__)
constexpr int kTileRows = 8;
constexpr int kTilePanels = 2;
#elif defined(__AVX2__)
constexpr int kTileRows = 6;
constexpr int kTilePanels = 1;
#else
constexpr int kTileRows = 4;
constexpr int kTilePanels = 1;
#endif

// Positions whose values are added up in registers before their sum joins those before them; their
// panel, 16 KiB, stays in the first level cache.
constexpr std::int64_t kPositionsOfBlock = 256;

// Rows times panels [inputs][kLanes], `apart` numbers from each to the next.
struct Tile {
  const float* rows;
  std::int64_t row_stride;
  const float* panels;
  std::int64_t apart, inputs;
  float* sums;
  std::int64_t sum_stride;
  bool first;  // there is no sum before this one
};

template <int M, int N>
INSTRUCTBLIP_KERNEL void multiply_rows(const Tile& t) {
  Lanes sums[M][N];
  const float* rows[M];
  for (int m = 0; m < M; ++m) {
    rows[m] = t.rows + m * t.row_stride;
    for (int n = 0; n < N; ++n) sums[m][n] = broadcast(0.0f);
  }
  const float* panel = t.panels;
#pragma GCC unroll 4
  for (std::int64_t k = 0; k < t.inputs; ++k) {
    Lanes columns[N];
    for (int n = 0; n < N; ++n) columns[n] = load(panel + n * t.apart);
    for (int m = 0; m < M; ++m) {
      const Lanes row = broadcast(rows[m][k]);
      for (int n = 0; n < N; ++n) sums[m][n] = multiply_add(row, columns[n], sums[m][n]);
    }
    panel += kLanes;
  }
  for (int m = 0; m < M; ++m) {
    for (int n = 0; n < N; ++n) {
      float* const to = t.sums + m * t.sum_stride + n * kLanes;
      store(t.first ? sums[m][n] : add(load(to), sums[m][n]), to);
    }
  }
}

template <int N, int M = kTileRows>
void multiply_tile(const Tile& tile, std::int64_t rows) {
  if (rows >= M) return multiply_rows<M, N>(tile);
  if constexpr (M > 1) multiply_tile<N, M - 1>(tile, rows);
}

// All rows with each panel in turn. inputs_of(row): how many inputs the rows up to this one have.
template <class InputsOf>
INSTRUCTBLIP_KERNEL void multiply(Tile tile, std::int64_t rows, std::int64_t panels,
                                  const InputsOf& inputs_of) {
  const Tile whole = tile;
  for (std::int64_t panel = 0; panel < panels;) {
    const bool some = kTilePanels > 1 && panel + kTilePanels <= panels;
    for (std::int64_t row = 0; row < rows; row += kTileRows) {
      const std::int64_t left = rows - row, count = left < kTileRows ? left : kTileRows;
      tile.inputs = inputs_of(row + count - 1);
      tile.rows = whole.rows + row * tile.row_stride;
      tile.panels = whole.panels + panel * tile.apart;
      tile.sums = whole.sums + row * tile.sum_stride + panel * kLanes;
      some ? multiply_tile<kTilePanels>(tile, count) : multiply_tile<1>(tile, count);
    }
    panel += some ? kTilePanels : 1;
  }
}

}  // namespace
}  // namespace instructblip::kernels::cpu
