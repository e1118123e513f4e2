// Weights as products read them: packed once, when they are loaded.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/queue.h"

namespace instructblip::kernels {

// How the elements of a matrix are held.
enum class Format {
  f32,
  f16,
  bf16,
  w8,  // 8 bits and a float32 scale for each row
  w4,  // 4 bits and a float16 scale for each 32 elements of a row
};

// A packed matrix is one panel after the other. A panel has kRowsOfPanel rows, those behind the
// last row of the matrix are zeros, and its elements go column by column, so that one load takes
// the same column of all its rows:
//
//   f32, f16, bf16  [columns][16]
//   w8              [16] float32 scales, then [columns][16] int8: element = scale * int8
//   w4              blocks of 32 columns, the last one filled up: [16] float16 scales, then
//                   [4][16] words, the n-th 4 bits of word [j][r] being the column 8 j + n of the
//                   row r: element = scale * (bits - 8), which float32 holds exactly
inline constexpr std::int64_t kRowsOfPanel = 16;
inline constexpr std::int64_t kColumnsOfBlock = 32;
inline constexpr std::size_t kBytesOfBlock = 16 * 2 + 4 * 16 * 4;  // in w4

constexpr std::int64_t panels_of(std::int64_t rows) {
  return (rows + kRowsOfPanel - 1) / kRowsOfPanel;
}
std::size_t bytes_of_panel(Format format, std::int64_t columns);

// Where a panel's rows come from: `rows` of them, at most kRowsOfPanel, each `columns` elements
// that lie one behind the other.
struct PanelSource {
  const void* rows_at;  // float32 for f32, w8 and w4; 16 bits for f16 and bf16
  std::int64_t rows, columns;
};

// Writes one panel, bytes_of_panel() of them. Formats of 8 and 4 bits are rounded to the nearest.
void pack_panel(Format format, const PanelSource& from, std::byte* panel);

// A row of a panel as float32, [columns].
void unpack_row(Format format, const std::byte* panel, std::int64_t row, std::int64_t columns,
                float* out);

}  // namespace instructblip::kernels
