#include "kernels/stored_rows.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "kernels/reference/half.h"

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

// Sixteen bytes, which compilers turn as one.
using Bytes16 = std::array<std::uint8_t, 16>;

// Eight words of two bytes each, one of either row.
void zip(const Bytes16& a, const Bytes16& b, Bytes16& low, Bytes16& high) {
  for (std::size_t i = 0; i < 8; ++i) {
    low[2 * i] = a[i];
    low[2 * i + 1] = b[i];
    high[2 * i] = a[8 + i];
    high[2 * i + 1] = b[8 + i];
  }
}

// Sixteen columns of sixteen rows to [16 columns][16 rows]: four times, the rows of the first half
// are zipped with those of the second.
void turn(std::array<Bytes16, 16>& rows) {
  for (int round = 0; round < 4; ++round) {
    std::array<Bytes16, 16> zipped;
    for (std::size_t i = 0; i < 8; ++i) zip(rows[i], rows[i + 8], zipped[2 * i], zipped[2 * i + 1]);
    rows = zipped;
  }
}

void pack_8_bits(std::span<const StoredRow> rows, std::int64_t columns, std::byte* panel) {
  std::array<float, kRows> scales{};
  for (std::size_t row = 0; row < rows.size(); ++row) scales[row] = read<float>(rows[row].scales);
  std::memcpy(panel, scales.data(), sizeof(scales));
  std::byte* const to = panel + sizeof(scales);
  std::array<Bytes16, kRows> block{};
  for (std::int64_t begin = 0; begin < columns; begin += kRows) {
    const auto count = static_cast<std::size_t>(std::min<std::int64_t>(kRows, columns - begin));
    for (std::size_t row = 0; row < rows.size(); ++row) {
      std::memcpy(block[row].data(), rows[row].elements + begin, count);
    }
    std::array<Bytes16, kRows> turned = block;
    turn(turned);
    std::memcpy(to + begin * kRows, turned.data(), count * kRows);
  }
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
