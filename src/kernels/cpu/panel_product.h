// What the files of one instruction set compute of a product with packed weights. Known to them, so
// it includes nothing that brings functions with it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace instructblip::kernels::cpu {

enum class Held { f32, f16, bf16, w8, w4 };  // Format, see panels.h

// Inputs that are added up in registers before their sum joins those before them. A whole number of
// blocks of w4.
inline constexpr std::int64_t kInputsOfBlock = 512;

// Most panels that are multiplied with the same rows at once.
inline constexpr std::int64_t kMostPanels = 8;

// Rows of x are regrouped into tiles, one behind the other, of most_rows rows or fewer: the inputs
// of a tile go [inputs][rows of the tile], so that a tile's numbers for one input lie side by side.
struct RowTiles {
  std::int64_t rows, most_rows;
};

namespace {  // to each file its own

inline std::int64_t count_of(const RowTiles& tiles) {
  return (tiles.rows + tiles.most_rows - 1) / tiles.most_rows;
}
// The first row of a tile. Even ones: 13 rows make 7 and 6, not 12 and 1.
inline std::int64_t begin_of(const RowTiles& tiles, std::int64_t tile) {
  return tile * tiles.rows / count_of(tiles);
}

}  // namespace

// A few panels times all rows.
struct PanelProduct {
  const float* x;  // tiles
  RowTiles tiles;
  std::int64_t inputs;
  const std::byte* panels;
  std::size_t bytes_of_panel;
  Held held;
  std::int64_t outputs;  // rows of the matrix in these panels
  float* totals;         // room for [rows, kMostPanels * 16]
  float* wide;           // room for [kMostPanels][kInputsOfBlock][16]; null: widened where used
  const float* bias;     // [outputs]; or null
  const float* plus;     // rows `stride` apart; or null
  float* y;              // the same
  std::int64_t stride;
};

struct PanelKernel {
  std::int64_t most_rows;         // rows of a tile at most
  std::int64_t most_rows_of_few;  // the same where all rows are one or two tiles
  std::int64_t panels_of_many;    // panels at a time where there are many rows
  void (*run)(const PanelProduct& product);
};

PanelKernel panel_kernel_avx512();
PanelKernel panel_kernel_avx2();
PanelKernel panel_kernel_portable();

}  // namespace instructblip::kernels::cpu
