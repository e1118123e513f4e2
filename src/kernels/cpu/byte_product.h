// What the files of one instruction set compute of a product of weights of 8 or 4 bits with rows
// that are rounded to 8 bits. Known to them, so it includes nothing that brings functions with it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cpu/panel_product.h"

namespace instructblip::kernels::cpu {

// Inputs of a row that are rounded together: the largest of them becomes 127 or 32767 times their
// scale. As many as have one scale in w4.
inline constexpr std::int64_t kInputsOfScale = 32;

// A product with 32 inputs is so many steps, each of one word of a row and of kBytesOfWeights of
// sixteen rows of the matrix: 8 steps of four bytes, or 16 of two numbers of 16 bits.
struct StepsOfBlock {
  std::int64_t steps;

  // A row's words, their scale, and their sum.
  constexpr std::int64_t bytes_of_row() const { return steps * 4 + 4 + 4; }
  // Those of a panel, and its [16] float32 scales, which w8 leaves alone.
  constexpr std::int64_t bytes_of_weights() const { return steps * 64 + 64; }
};

// Rows of a tile, rounded.
struct RowsToRound {
  const float* x;       // [rows], `stride` apart
  std::int64_t stride;  // all inputs of a row
  std::int64_t rows, inputs;
  Held held;  // what they are multiplied with: w8 or w4
  // For each block: [steps][rows] words, [rows] float32 scales, [rows] int32 sums.
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
  std::int64_t first, count;  // inputs; the first is a multiple of kInputsOfBlock
  const std::byte* panels;
  const std::byte* times;  // as many, whose results multiply those of the others; or null
  std::size_t bytes_of_panel;
  std::size_t next;  // from these weights to those that are multiplied after them
  Held held;
  std::byte* prepared;  // room for [panels][kInputsOfBlock / 32] StepsOfBlock::bytes_of_weights()
  float* totals;        // [rows, panels * 16]
  bool last;            // sums become results
  Results results;
};

struct ByteKernel {
  std::int64_t most_rows;         // rows of a tile at most
  std::int64_t most_rows_of_few;  // the same of FewByteRows
  std::int64_t panels;            // panels of a ByteProduct at most
  StepsOfBlock of_4_bits, of_8_bits;
  void (*round)(const RowsToRound& rows);
  void (*run_few)(const FewByteRows& product);
  void (*run)(const ByteProduct& product);
};

ByteKernel byte_kernel_avx512_vnni();
ByteKernel byte_kernel_avx2();
ByteKernel byte_kernel_portable();

}  // namespace instructblip::kernels::cpu
