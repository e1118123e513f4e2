#include "kernels/stored_rows.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/reference/half.h"
#include "kernels/turn.h"

namespace instructblip::kernels {
namespace {

constexpr int kRows = static_cast<int>(kRowsOfPanel);
constexpr std::size_t kBlockBytes = kColumnsOfBlock / 2;  // one row of a block
constexpr int kWords = kColumnsOfBlock / 8;               // the same in words

std::int64_t blocks_of(std::int64_t columns) {
  return (columns + kColumnsOfBlock - 1) / kColumnsOfBlock;
}

template <class Value>
Value read(const std::byte* at, std::int64_t index = 0) {
  Value value;
  std::memcpy(&value, at + static_cast<std::size_t>(index) * sizeof(Value), sizeof(Value));
  return value;
}

template <class Value>
void write(std::byte* at, std::int64_t index, Value value) {
  std::memcpy(at + static_cast<std::size_t>(index) * sizeof(Value), &value, sizeof(Value));
}

void pack_8_bits(std::span<const StoredRow> rows, std::int64_t columns, std::byte* panel) {
  // Rows behind the last one.
  const std::vector<std::byte> zeros(rows.size() < kRows ? static_cast<std::size_t>(columns) : 0);
  std::array<float, kRows> scales{};
  TurnedRows elements;
  elements.fill(zeros.data());
  for (std::size_t row = 0; row < rows.size(); ++row) {
    scales[row] = read<float>(rows[row].scales);
    elements[row] = rows[row].elements;
  }
  std::memcpy(panel, scales.data(), sizeof(scales));
  turn_rows<1>(elements, columns, panel + sizeof(scales));
}

void pack_4_bits(std::span<const StoredRow> rows, std::int64_t columns, std::byte* panel) {
  for (std::int64_t block = 0; block < blocks_of(columns); ++block, panel += kBytesOfBlock) {
    std::array<std::uint16_t, kRows> scales{};
    std::array<std::uint32_t, kWords * kRows> words;
    words.fill(0x88888888U);
    for (std::size_t row = 0; row < rows.size(); ++row) {
      scales[row] = read<std::uint16_t>(rows[row].scales, block);
      const std::byte* const from = rows[row].elements + block * static_cast<int>(kBlockBytes);
      for (std::size_t j = 0; j < kWords; ++j) {
        words[j * kRows + row] = read<std::uint32_t>(from, static_cast<std::int64_t>(j));
      }
    }
    std::memcpy(panel, scales.data(), sizeof(scales));
    std::memcpy(panel + sizeof(scales), words.data(), sizeof(words));
  }
}

}  // namespace

StoredSizes stored_sizes(Format format, std::int64_t columns) {
  if (format == Format::w8) return {static_cast<std::size_t>(columns), sizeof(float)};
  const auto blocks = static_cast<std::size_t>(blocks_of(columns));
  return {blocks * kBlockBytes, blocks * sizeof(std::uint16_t)};
}

void pack_stored(Format format, std::span<const StoredRow> rows, std::int64_t columns,
                 std::byte* panel) {
  format == Format::w8 ? pack_8_bits(rows, columns, panel) : pack_4_bits(rows, columns, panel);
}

void store_row(Format format, const std::byte* panel, std::int64_t row, std::int64_t columns,
               const StoredRowRoom& to) {
  if (format == Format::w8) {
    write(to.scales, 0, read<float>(panel, row));
    const std::byte* const from = panel + kRows * sizeof(float) + row;
    for (std::int64_t k = 0; k < columns; ++k) to.elements[k] = from[k * kRows];
    return;
  }
  for (std::int64_t block = 0; block < blocks_of(columns); ++block, panel += kBytesOfBlock) {
    write(to.scales, block, read<std::uint16_t>(panel, row));
    const std::byte* const words = panel + kRows * sizeof(std::uint16_t);
    for (int j = 0; j < kWords; ++j) {
      write(to.elements, block * kWords + j, read<std::uint32_t>(words, j * kRows + row));
    }
  }
}

void unpack_stored(Format format, const StoredRow& row, std::int64_t columns, float* out) {
  if (format == Format::w8) {
    const auto scale = read<float>(row.scales);
    for (std::int64_t k = 0; k < columns; ++k) {
      out[k] = scale * static_cast<float>(read<std::int8_t>(row.elements, k));
    }
    return;
  }
  for (std::int64_t block = 0; block < blocks_of(columns); ++block) {
    const float scale = reference::from_f16(read<std::uint16_t>(row.scales, block));
    const std::int64_t end = std::min(columns, (block + 1) * kColumnsOfBlock);
    for (std::int64_t k = block * kColumnsOfBlock; k < end; ++k) {
      const auto both = static_cast<unsigned>(row.elements[k / 2]);
      const auto bits = static_cast<int>(k % 2 == 0 ? both & 15U : both >> 4);
      out[k] = scale * static_cast<float>(bits - 8);
    }
  }
}

std::int64_t first_bad_scale(Format format, std::span<const std::byte> scales) {
  if (format == Format::w8) {
    const auto count = static_cast<std::int64_t>(scales.size() / sizeof(float));
    for (std::int64_t i = 0; i < count; ++i) {
      const auto scale = read<float>(scales.data(), i);
      if (!std::isfinite(scale) || scale < 0) return i;
    }
    return -1;
  }
  const auto count = static_cast<std::int64_t>(scales.size() / sizeof(std::uint16_t));
  constexpr unsigned kExponent = 0x7C00;  // all ones: infinite or no number
  for (std::int64_t i = 0; i < count; ++i) {
    if ((read<std::uint16_t>(scales.data(), i) & kExponent) == kExponent) return i;
  }
  return -1;
}

}  // namespace instructblip::kernels
