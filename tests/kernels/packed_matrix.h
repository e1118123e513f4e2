// A packed matrix for tests, made of numbers that its format holds.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/numbers.h"
#include "kernels/panels.h"

namespace instructblip::kernels {

inline constexpr Format kFormats[] = {Format::f32, Format::f16, Format::bf16, Format::w8,
                                      Format::w4};

inline std::string name_of(Format format) {
  constexpr const char* kNames[] = {"f32", "f16", "bf16", "w8", "w4"};
  return kNames[static_cast<int>(format)];
}

inline bool has_16_bits(Format format) { return format == Format::f16 || format == Format::bf16; }

// A matrix as it is stored, packed, and what the packed one is worth.
struct Matrix {
  std::int64_t rows, columns;
  std::vector<float> stored;
  std::vector<std::uint16_t> halves;
  std::vector<std::byte> panels;
  std::vector<float> values;  // [rows, columns]

  Matrix(Format format, std::int64_t r, std::int64_t c, std::uint32_t seed)
      : rows(r), columns(c), stored(numbers(r * c, seed)) {
    for (float& value : stored) {
      if (!has_16_bits(format)) break;
      // Numbers of float16 and of bfloat16: the sign, an exponent near 0 and 7 bits.
      const auto bits = std::bit_cast<std::uint32_t>(value == 0.0f ? 1.0f : value);
      const std::uint32_t exponent = 120 + (bits >> 16) % 9;
      value = std::bit_cast<float>((bits & 0x80000000U) | exponent << 23 | (bits & 0x7F0000U));
      const std::uint32_t sign = bits >> 16 & 0x8000U, fraction = bits >> 16 & 0x7FU;
      const bool half = format == Format::f16;
      halves.push_back(static_cast<std::uint16_t>(
          half ? sign | (exponent - 112) << 10 | fraction << 3 : sign | exponent << 7 | fraction));
    }
    pack(format);
    values.resize(stored.size());
    for (std::int64_t row = 0; row < rows; ++row) {
      unpack_row(format, panel_of(format, row), row % kRowsOfPanel, columns,
                 values.data() + row * columns);
    }
  }

  const std::byte* panel_of(Format format, std::int64_t row) const {
    return panels.data() +
           static_cast<std::size_t>(row / kRowsOfPanel) * bytes_of_panel(format, columns);
  }

  void pack(Format format) {
    const std::size_t bytes = bytes_of_panel(format, columns);
    panels.assign(static_cast<std::size_t>(panels_of(rows)) * bytes, std::byte{0xFF});
    for (std::int64_t panel = 0; panel < panels_of(rows); ++panel) {
      const std::int64_t first = panel * kRowsOfPanel, at = first * columns;
      const void* from = halves.empty() ? static_cast<const void*>(stored.data() + at)
                                        : static_cast<const void*>(halves.data() + at);
      pack_panel(format, {from, std::min(kRowsOfPanel, rows - first), columns},
                 panels.data() + static_cast<std::size_t>(panel) * bytes);
    }
  }
};

}  // namespace instructblip::kernels
