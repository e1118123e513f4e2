// Rows of 8 and 4 bits as files have them: one behind the other, in no order that belongs to a
// processor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/panels.h"

namespace instructblip::kernels {

// One row:
//
//   w8  an int8 for each column; a float32 scale: element = scale * int8
//   w4  16 bytes for each 32 columns, an even column in the low 4 bits of its byte and the odd one
//       behind it in the high 4, the last block filled up with 8; a float16 scale for each block:
//       element = scale * (bits - 8)
struct StoredRow {
  const std::byte* elements;
  const std::byte* scales;
};

// Bytes that one row takes.
struct StoredSizes {
  std::size_t elements, scales;
};
StoredSizes stored_sizes(Format format, std::int64_t columns);

// Writes a panel of these rows, kRowsOfPanel at most: the same bytes as pack_panel() of the values
// that they were stored from.
void pack_stored(Format format, std::span<const StoredRow> rows, std::int64_t columns,
                 std::byte* panel);

// What is stored of a row of a panel: `elements` and `scales` have room for stored_sizes().
struct StoredRowRoom {
  std::byte* elements;
  std::byte* scales;
};
void store_row(Format format, const std::byte* panel, std::int64_t row, std::int64_t columns,
               const StoredRowRoom& to);

// The row as float32, [columns].
void unpack_stored(Format format, const StoredRow& row, std::int64_t columns, float* out);

// Index of the first scale that no quantisation leaves: not finite, or of 8 bits below 0. -1:
// there is none.
std::int64_t first_bad_scale(Format format, std::span<const std::byte> scales);

}  // namespace instructblip::kernels
