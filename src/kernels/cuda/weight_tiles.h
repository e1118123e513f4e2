// Weights in the order in which tiled_product.cu and tiled_product_bulk.cu read them.
//
// A tile is 16 rows of a matrix [outputs, inputs], in units one behind the other. A lane l of a
// warp finds 16 bytes of row l / 4 of a unit at 16 l, and 16 bytes of row l / 4 + 8 at 512 + 16 l:
// two operands of mma.sync, whatever the format. With t = l % 4 and u the unit these are
//
//   f16, bf16   32 inputs: 32 u + 8 t + j, j < 8
//   w8          64 inputs, int8: byte j is 64 u + 32 (j / 8) + 8 t + j % 8
//   w4         128 inputs, 4 bits: word i has 128 u + 32 i + 8 t + j, at the bits from
//              4 (j / 2) + 16 (j % 2) on; element = scale * (bits - 8)
//
// A tile of w8 begins with 16 float32 scales and 64 bytes of nothing. A unit of w4 ends with its
// float16 scales, each for 32 inputs: [8 rows][upper, lower half][4 blocks]. So all begins at
// multiples of 128 bytes. Inputs are filled up to whole units by zeros.
//
// A tile's upper eight rows and its lower eight come from two places, so that what is computed of
// two outputs together is in one tile:
//
//   plain   rows 16 i ... of the matrix
//   gated   rows 8 i ... of the gate; the same rows of what it is multiplied with
//   heads   dimensions 8 i ... of a head; dimensions width / 2 + 8 i ... of it
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/panels.h"

namespace instructblip::kernels::cuda {

inline constexpr std::int32_t kRowsOfTile = 16;

// f32 has no tiles.
constexpr std::int32_t inputs_of_unit(Format format) {
  return format == Format::w4 ? 128 : format == Format::w8 ? 64 : 32;
}
constexpr std::int32_t bytes_of_unit(Format format) { return format == Format::w4 ? 1152 : 1024; }
constexpr std::int32_t bytes_before_units(Format format) { return format == Format::w8 ? 128 : 0; }
constexpr std::int32_t units_of(Format format, std::int32_t inputs) {
  return (inputs + inputs_of_unit(format) - 1) / inputs_of_unit(format);
}
constexpr std::size_t bytes_of_tile(Format format, std::int32_t inputs) {
  return static_cast<std::size_t>(bytes_before_units(format)) +
         static_cast<std::size_t>(units_of(format, inputs)) *
             static_cast<std::size_t>(bytes_of_unit(format));
}

// Which halves of its matrix, counted by eight rows, a tile is made of.
struct Halves {
  std::int64_t upper, lower;
};
constexpr Halves plain_halves(std::int64_t tile) { return {2 * tile, 2 * tile + 1}; }
constexpr Halves gated_halves(std::int64_t tile) {
  return {tile, tile};
}  // in each of two matrices
constexpr Halves halves_of_heads(std::int64_t tile, std::int64_t width) {
  const std::int64_t tiles = width / kRowsOfTile;
  const std::int64_t upper = tile / tiles * 2 * tiles + tile % tiles;
  return {upper, upper + tiles};
}

// Eight rows of a packed panel (kernels/panels.h), from the row `first` on: 0 or 8. No panel:
// zeros, which stand behind the last row of a matrix.
struct HalfPanel {
  const std::byte* panel;
  std::int32_t first;
};
HalfPanel half_panel(Format format, const std::byte* panels, std::int64_t inputs,
                     std::int64_t half);

// Writes bytes_of_tile() bytes. The elements are those of the panels, to the bit.
void pack_tile(Format format, std::int32_t inputs, const HalfPanel& upper, const HalfPanel& lower,
               std::byte* tile);

}  // namespace instructblip::kernels::cuda
