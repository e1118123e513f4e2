#include "kernels/cuda/weight_tiles.h"

#include <algorithm>
#include <cstring>

namespace instructblip::kernels::cuda {
namespace {

constexpr std::size_t kRows = static_cast<std::size_t>(kRowsOfPanel);
constexpr std::size_t kBlock = static_cast<std::size_t>(kColumnsOfBlock);

std::byte* piece_of(std::byte* unit, std::size_t row, std::size_t t) {
  return unit + row / 8 * 512 + (row % 8 * 4 + t) * 16;
}

// A row of a panel, which becomes the row `to` of a tile.
struct Row {
  const std::byte* panel;
  std::size_t from, to;
};

template <class Element>
void pack_elements(const Row& row, std::size_t inputs, std::size_t inputs_of_unit,
                   const std::byte* elements, std::byte* units) {
  for (std::size_t input = 0; input < inputs; ++input) {
    const std::size_t within = input % inputs_of_unit;
    std::byte* piece = piece_of(units + input / inputs_of_unit * 1024, row.to, within % kBlock / 8);
    std::memcpy(piece + (within / kBlock * 8 + within % 8) * sizeof(Element),
                elements + (input * kRows + row.from) * sizeof(Element), sizeof(Element));
  }
}

// The 4 bits of eight inputs: from their order to one in which two are taken at a time.
std::uint32_t paired(std::uint32_t word) {
  std::uint32_t out = 0;
  for (std::uint32_t j = 0; j < 8; ++j) {
    out |= (word >> (4 * j) & 15U) << (4 * (j / 2) + 16 * (j % 2));
  }
  return out;
}

void pack_blocks(const Row& row, std::size_t inputs, std::byte* units) {
  for (std::size_t block = 0; block * kBlock < inputs; ++block) {
    const std::byte* in = row.panel + block * kBytesOfBlock;
    std::byte* unit = units + block / 4 * static_cast<std::size_t>(bytes_of_unit(Format::w4));
    std::memcpy(unit + 1024 + row.to % 8 * 16 + row.to / 8 * 8 + block % 4 * 2, in + row.from * 2,
                2);
    for (std::size_t t = 0; t < 4; ++t) {
      std::uint32_t word;
      std::memcpy(&word, in + kRows * 2 + (t * kRows + row.from) * sizeof(word), sizeof(word));
      word = paired(word);
      std::memcpy(piece_of(unit, row.to, t) + block % 4 * sizeof(word), &word, sizeof(word));
    }
  }
}

}  // namespace

HalfPanel half_panel(Format format, const std::byte* panels, std::int64_t inputs,
                     std::int64_t half) {
  return {panels + static_cast<std::size_t>(half / 2) * bytes_of_panel(format, inputs),
          static_cast<std::int32_t>(half % 2 * 8)};
}

void pack_tile(Format format, std::int32_t inputs, const HalfPanel& upper, const HalfPanel& lower,
               std::byte* tile) {
  std::fill_n(tile, bytes_of_tile(format, inputs), std::byte{0});
  std::byte* units = tile + bytes_before_units(format);
  const auto count = static_cast<std::size_t>(inputs);
  const auto unit = static_cast<std::size_t>(inputs_of_unit(format));
  for (std::size_t r = 0; r < kRows; ++r) {
    const HalfPanel& half = r < 8 ? upper : lower;
    if (half.panel == nullptr) continue;
    const Row row{half.panel, static_cast<std::size_t>(half.first) + r % 8, r};
    switch (format) {
      case Format::f16:
      case Format::bf16:
        pack_elements<std::uint16_t>(row, count, unit, row.panel, units);
        break;
      case Format::w8:
        std::memcpy(tile + r * sizeof(float), row.panel + row.from * sizeof(float), sizeof(float));
        pack_elements<std::int8_t>(row, count, unit, row.panel + kRows * sizeof(float), units);
        break;
      case Format::w4:
        pack_blocks(row, count, units);
        break;
      case Format::f32:
        break;
    }
  }
}

}  // namespace instructblip::kernels::cuda
