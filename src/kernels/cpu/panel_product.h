// What the files of one instruction set compute of a product with packed weights. Known to them, so
// it includes nothing that brings functions with it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/activation.h"

namespace instructblip::kernels::cpu {

// Format, see panels.h; rows: float32 row by row, as PackedLinearProblem::in_rows has it.
enum class Held { f32, f16, bf16, w8, w4, rows };

// Inputs that are added up in registers before their sum joins those before them: a panel of them
// as float32, 16 KiB, stays in the first level cache beside a tile of rows. A whole number of
// blocks of w4.
inline constexpr std::int64_t kInputsOfBlock = 256;

// Rows that are multiplied with a block of weights that was widened once. Their inputs of the block
// fill half of a second level cache of 512 KiB, and those of a picture of 257 positions are one
// block.
inline constexpr std::int64_t kRowsOfBlock = 288;

// The same where two inputs are a word. Processors that multiply bfloat16 have second level caches
// of 1 MiB and more.
inline constexpr std::int64_t kPairInputsOfBlock = 1536;
inline constexpr std::int64_t kPairRowsOfBlock = 288;

// Most panels that are multiplied with the same rows at once.
inline constexpr std::int64_t kMostPanels = 8;

// Few rows are multiplied with a weight where it is read, tile by tile; for more it is widened once
// for all. No kernel takes more rows than these as few: with three tiles of AVX-512 both ways take
// about the same time.
inline constexpr std::int64_t kMostFewRows = 24;

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
  const std::int64_t count = count_of(tiles), longer = tiles.rows % count;
  return tile * (tiles.rows / count) + (tile < longer ? tile : longer);
}

}  // namespace

// What becomes of the sums of some panels, and where they go.
struct Results {
  std::int64_t outputs;  // numbers of a row: rows of the matrix in these panels, or in half of them
  const float* bias;     // [outputs]; or null
  const float* times_bias;  // that of the second half
  Activation activation;
  const float* plus;  // rows `stride` apart; or null
  float* y;           // the same
  std::int64_t stride;
};

// A few panels times a few rows: weights are widened, or paired, where they are read.
struct PanelProduct {
  const float* x;  // tiles, [words][rows of the tile]
  RowTiles tiles;
  std::int64_t inputs;
  const std::byte* panels;
  const std::byte* times;  // as many panels, whose results multiply those of the others; or null
  std::size_t bytes_of_panel;
  Held held;
  float* totals;  // room for [rows, kMostPanels * 16]
  Results results;
};

// Rows on their way into a product: as they are, or normalised, ((x - mean) * scale) * weight +
// bias.
struct InputRows {
  const float* x;       // the first of the inputs of the first row
  std::int64_t stride;  // all inputs of a row
  std::int64_t rows;
  const float* weight;  // what the norm multiplies these inputs with; null: there is no norm
  const float* bias;    // what it adds to them, or null
  const float* means;   // [rows]
  const float* scales;  // [rows]
};

// Some inputs of the rows of a tile, on their way into it.
struct RowsToRegroup {
  InputRows from;
  std::int64_t count;
  float* tile;  // [words][rows], as PanelKernel::run_block reads them
};

// Inputs that are multiplied after a block's.
struct NextInputs {
  std::ptrdiff_t panels;  // bytes from the block's panels to theirs
  std::int64_t first, count;
};

// A block of inputs of a few panels times many rows: weights are widened once for all of them.
struct PanelBlock {
  const float* x;  // tiles of the block's inputs
  RowTiles tiles;
  std::int64_t first, count;  // inputs; the first is a multiple of PanelKernel::inputs_of_block
  const std::byte* panels;
  const std::byte* times;  // one panel, whose results multiply those of the only other; or null
  std::size_t bytes_of_panel;
  NextInputs next;
  Held held;
  float* wide;    // room for [panels][words of a whole block][16]
  float* totals;  // [rows, panels * 16], the sums of the blocks before
  bool last;      // sums become results
  Results results;
};

struct PanelKernel {
  std::int64_t most_rows;         // rows of a tile at most
  std::int64_t few_rows;          // rows of a PanelProduct at most
  std::int64_t most_rows_of_few;  // rows of its tiles at most
  std::int64_t panels_of_many;    // panels of a PanelBlock
  std::int64_t rows_of_block;     // rows of a PanelBlock at most
  std::int64_t inputs_of_block;   // its inputs at most
  // Inputs that a tile has whole numbers of, with zeros behind the last, and the words that they
  // are.
  std::int64_t inputs_of_step, words_of_step;
  void (*regroup)(const RowsToRegroup& rows);
  void (*run)(const PanelProduct& product);  // null: few rows are taken as many
  void (*run_block)(const PanelBlock& block);
};

PanelKernel panel_kernel_avx512();
PanelKernel panel_kernel_avx2();
PanelKernel panel_kernel_portable();

// Those of rows that are rounded to bfloat16, with weights of bfloat16.
PanelKernel pair_kernel_avx512_bf16();
PanelKernel pair_kernel_portable();
PanelKernel tile_kernel_amx();
PanelKernel tile_kernel_portable();

}  // namespace instructblip::kernels::cpu
