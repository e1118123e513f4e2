#include "kernels/panels.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <span>
#include <vector>

#include "kernels/reference/half.h"
#include "kernels/turn.h"

namespace instructblip::kernels {
namespace {

constexpr int kRows = static_cast<int>(kRowsOfPanel);

std::int64_t blocks_of(std::int64_t columns) {
  return (columns + kColumnsOfBlock - 1) / kColumnsOfBlock;
}

template <std::size_t kElementBytes>
void interleave(const PanelSource& from, std::byte* panel) {
  const std::size_t row_bytes = static_cast<std::size_t>(from.columns) * kElementBytes;
  // Rows behind the last one.
  const std::vector<std::byte> zeros(from.rows < kRows ? row_bytes : 0);
  TurnedRows rows;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    const bool present = static_cast<std::int64_t>(row) < from.rows;
    rows[row] =
        present ? static_cast<const std::byte*>(from.rows_at) + row * row_bytes : zeros.data();
  }
  turn_rows<kElementBytes>(rows, from.columns, panel);
}

// The greatest absolute value; 0 where there is none, NaN where a number is NaN or infinite.
// Numbers that are not negative are in the order of their bits, NaN above all, which compilers find
// the greatest of in vectors.
float largest_of(const float* in, std::int64_t count) {
  std::int32_t largest = 0;
  for (std::int64_t k = 0; k < count; ++k) {
    largest = std::max(largest, std::bit_cast<std::int32_t>(in[k]) & 0x7FFFFFFF);
  }
  const auto number = std::bit_cast<float>(largest);
  return std::isfinite(number) ? number : std::numeric_limits<float>::quiet_NaN();
}

// The nearest whole number within bounds, ties to even, where these are below 2^22: std::clamp()
// and std::nearbyint() in operations that every processor has for vectors.
float nearest(float x, float least, float greatest) {
  const float not_below = x < least ? least : x;
  const float within = greatest < not_below ? greatest : not_below;
  constexpr float kLastBitIsOne = 12582912.0f;  // 1.5 * 2^23
  return (within + kLastBitIsOne) - kLastBitIsOne;
}

// 0 where there is none in float32.
float inverse_of(float x) {
  const float inverse = 1.0f / x;
  return std::isfinite(inverse) ? inverse : 0.0f;
}

// Returns the scale: NaN where a number is NaN or infinite, so that every product with the row is.
// `elements` are zeros before.
float quantise_to_8_bits(const float* in, std::span<std::int8_t> elements) {
  const float scale = largest_of(in, std::ssize(elements)) / 127.0f;
  if (std::isnan(scale)) return scale;
  const float inverse = inverse_of(scale);
  for (std::size_t k = 0; k < elements.size(); ++k) {
    elements[k] = static_cast<std::int8_t>(
        static_cast<std::int32_t>(nearest(in[k] * inverse, -127.0f, 127.0f)));
  }
  return scale;
}

void quantise_to_8_bits(const PanelSource& from, std::byte* panel) {
  const auto columns = static_cast<std::size_t>(from.columns);
  std::array<float, kRows> scales{};
  std::vector<std::int8_t> elements(columns * kRows);  // zeros where there is no row
  TurnedRows rows;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    const std::span<std::int8_t> of_row(elements.data() + row * columns, columns);
    rows[row] = std::as_bytes(of_row).data();
    if (static_cast<std::int64_t>(row) >= from.rows) continue;
    const auto* const in = static_cast<const float*>(from.rows_at) + row * columns;
    scales[row] = quantise_to_8_bits(in, of_row);
  }
  std::memcpy(panel, scales.data(), sizeof(scales));
  turn_rows<1>(rows, from.columns, panel + sizeof(scales));
}

// To the nearest, ties to even; |x| is at most the largest number of the format, or NaN.
std::uint16_t to_f16(float x) {
  if (std::isnan(x)) return 0x7E00;
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const auto sign = static_cast<std::uint16_t>(bits >> 16 & 0x8000U);
  // Scaled so that the exponent is the format's, below the normal numbers too, and rounded by the
  // addition of a number whose last bit is the last one that is kept.
  const float size = std::bit_cast<float>(bits & 0x7FFFFFFFU);
  int exponent = 0;
  std::frexp(size, &exponent);
  const int last = std::max(exponent, -13) - 11;  // exponent of the last bit
  const float kept = std::nearbyint(std::ldexp(size, -last));
  if (kept == 0.0f) return sign;
  const auto whole = static_cast<std::uint32_t>(kept);
  const std::uint32_t half =
      static_cast<std::uint32_t>(last + 24) * 1024U + whole;  // a carry goes into the exponent
  return static_cast<std::uint16_t>(sign | half);
}

// The element farthest from 0, the first of them, becomes -8 times the scale, which uses all
// sixteen values. NaN where a number is NaN or infinite, or the scale too large for float16.
float scale_of_block(const float* in, std::int64_t count) {
  const float largest = largest_of(in, count);
  if (std::isnan(largest)) return largest;
  float farthest = 0.0f;
  if (largest > 0.0f) {
    farthest = *std::find_if(in, in + count, [&](float x) { return std::fabs(x) == largest; });
  }
  constexpr float kLargest = 65504.0f;
  const float scale = farthest / -8.0f;
  return std::fabs(scale) <= kLargest ? scale : std::numeric_limits<float>::quiet_NaN();
}

// The lowest 4 bits of eight bytes, the first in the lowest.
std::uint32_t word_of(const std::uint8_t* bytes) {
  std::uint64_t x;
  std::memcpy(&x, bytes, sizeof(x));
  x = (x | x >> 4) & 0x00FF00FF00FF00FFU;
  x = (x | x >> 8) & 0x0000FFFF0000FFFFU;
  return static_cast<std::uint32_t>(x | x >> 16);
}

void quantise_to_4_bits(const PanelSource& from, std::byte* panel) {
  const auto* rows = static_cast<const float*>(from.rows_at);
  for (std::int64_t block = 0; block < blocks_of(from.columns); ++block) {
    std::array<std::uint16_t, kRows> scales{};
    std::array<std::uint32_t, 4 * kRows> words;
    words.fill(0x88888888U);
    const std::int64_t begin = block * kColumnsOfBlock;
    const std::int64_t count = std::min(kColumnsOfBlock, from.columns - begin);
    for (std::int64_t row = 0; row < from.rows; ++row) {
      const float* in = rows + row * from.columns + begin;
      const std::uint16_t scale = to_f16(scale_of_block(in, count));
      const float value = reference::from_f16(scale);
      const float inverse = inverse_of(value);
      scales[static_cast<std::size_t>(row)] = scale;
      std::array<std::uint8_t, kColumnsOfBlock> bits;
      bits.fill(8);
      for (std::int64_t k = 0; k < count && inverse != 0.0f; ++k) {
        bits[static_cast<std::size_t>(k)] = static_cast<std::uint8_t>(
            static_cast<std::int32_t>(nearest(in[k] * inverse, -8.0f, 7.0f) + 8.0f));
      }
      for (std::size_t j = 0; j < 4; ++j) {
        words[j * kRows + static_cast<std::size_t>(row)] = word_of(bits.data() + 8 * j);
      }
    }
    std::memcpy(panel, scales.data(), sizeof(scales));
    std::memcpy(panel + sizeof(scales), words.data(), sizeof(words));
    panel += kBytesOfBlock;
  }
}

template <class Element>
Element element_at(const std::byte* at, std::int64_t index) {
  Element element;
  std::memcpy(&element, at + static_cast<std::size_t>(index) * sizeof(Element), sizeof(Element));
  return element;
}

float of_4_bits(const std::byte* panel, std::int64_t row, std::int64_t column) {
  const std::byte* block =
      panel + static_cast<std::size_t>(column / kColumnsOfBlock) * kBytesOfBlock;
  const std::int64_t within = column % kColumnsOfBlock;
  const float scale = reference::from_f16(element_at<std::uint16_t>(block, row));
  const auto word =
      element_at<std::uint32_t>(block + kRows * sizeof(std::uint16_t), within / 8 * kRows + row);
  const auto bits = static_cast<int>(word >> (4 * (within % 8)) & 15U);
  return scale * static_cast<float>(bits - 8);
}

float element_of(Format format, const std::byte* panel, std::int64_t row, std::int64_t column) {
  const std::int64_t index = column * kRows + row;
  switch (format) {
    case Format::f32:
      return element_at<float>(panel, index);
    case Format::f16:
      return reference::from_f16(element_at<std::uint16_t>(panel, index));
    case Format::bf16:
      return reference::from_bf16(element_at<std::uint16_t>(panel, index));
    case Format::w8:
      return element_at<float>(panel, row) *
             static_cast<float>(element_at<std::int8_t>(panel + kRows * sizeof(float), index));
    case Format::w4:
      return of_4_bits(panel, row, column);
  }
  return 0.0f;
}

}  // namespace

std::size_t bytes_of_panel(Format format, std::int64_t columns) {
  const auto elements = static_cast<std::size_t>(columns) * kRows;
  switch (format) {
    case Format::f32:
      return elements * 4;
    case Format::f16:
    case Format::bf16:
      return elements * 2;
    case Format::w8:
      return kRows * sizeof(float) + elements;
    case Format::w4:
      return static_cast<std::size_t>(blocks_of(columns)) * kBytesOfBlock;
  }
  return 0;
}

void pack_panel(Format format, const PanelSource& from, std::byte* panel) {
  switch (format) {
    case Format::f32:
      return interleave<4>(from, panel);
    case Format::f16:
    case Format::bf16:
      return interleave<2>(from, panel);
    case Format::w8:
      return quantise_to_8_bits(from, panel);
    case Format::w4:
      return quantise_to_4_bits(from, panel);
  }
}

void unpack_row(Format format, const std::byte* panel, std::int64_t row, std::int64_t columns,
                float* out) {
  for (std::int64_t k = 0; k < columns; ++k) out[k] = element_of(format, panel, row, k);
}

}  // namespace instructblip::kernels
