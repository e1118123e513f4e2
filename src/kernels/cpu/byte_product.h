// What the files of one instruction set compute of a product of weights of 8 or 4 bits with rows
// that are rounded to 8 bits. Known to them, so it includes nothing that brings functions with it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cpu/panel_product.h"

namespace instructblip::kernels::cpu {

// Inputs whose weights are taken apart at once for many rows: a whole number of blocks.
inline constexpr std::int64_t kInputsOfByteBlock = 512;

// Inputs of a row that are rounded together: the largest of them becomes 127 or 32767 times their
// scale. A product with them is so many steps, each of one word of a row, four bytes or two numbers
// of 16 bits, and of 64 bytes of sixteen rows of the matrix.
struct StepsOfBlock {
  std::int64_t inputs, steps;

  constexpr std::int64_t blocks_in(std::int64_t all) const { return (all + inputs - 1) / inputs; }

  // A row's words, their scale, and what sums begin with.
  constexpr std::int64_t bytes_of_row() const { return steps * 4 + 4 + 4; }
  // Those of a panel, and its [16] float32 scales, which w8 leaves alone.
  constexpr std::int64_t bytes_of_weights() const { return steps * 64 + 64; }
};

// Rows of a tile, rounded.
struct RowsToRound {
  InputRows from;
  std::int64_t inputs;
  Held held;  // what they are multiplied with: w8 or w4
  // For each block: [steps][rows] words, [rows] float32 scales, [rows] words that sums begin
  // with.
  std::byte* out;
};

// A few panels times a few rows: weights are taken apart where they are read.
struct FewByteRows {
  const std::byte* x;  // tiles, as RowsToRound has them
  RowTiles tiles;
  std::int64_t inputs;
  const std::byte* panels;
  const std::byte* times;  // as many, whose results multiply those of the others; or null
  std::size_t bytes_of_panel;
  Held held;
  float* totals;  // room for [rows, kMostPanels * 16]
  Results results;
};

// Some inputs of a few panels, times all rows. Those of the same panels come in order: sums go on
// where they stopped.
struct ByteProduct {
  const std::byte* x;  // tiles, as RowsToRound has them, of all inputs
  RowTiles tiles;
  std::int64_t inputs;
  std::int64_t first, count;  // inputs; the first is a multiple of kInputsOfByteBlock
  const std::byte* panels;
  const std::byte* times;  // as many, whose results multiply those of the others; or null
  std::size_t bytes_of_panel;
  std::size_t next;  // from these weights to those that are multiplied after them
  Held held;
  std::byte* prepared;  // room for [panels][blocks of kInputsOfByteBlock] bytes_of_weights()
  float* totals;        // [rows, panels * 16]
  bool last;            // sums become results
  Results results;
};

struct ByteKernel {
  std::int64_t most_rows;         // rows of a tile at most
  std::int64_t few_rows;          // rows of FewByteRows at most
  std::int64_t most_rows_of_few;  // rows of its tiles at most
  std::int64_t panels;            // panels of a ByteProduct at most
  StepsOfBlock of_4_bits, of_8_bits;
  void (*round)(const RowsToRound& rows);
  void (*run_few)(const FewByteRows& product);
  void (*run)(const ByteProduct& product);
};

ByteKernel byte_kernel_avx512_vnni();
ByteKernel byte_kernel_avx_vnni();
ByteKernel byte_kernel_avx2();
ByteKernel byte_kernel_portable();

}  // namespace instructblip::kernels::cpu
