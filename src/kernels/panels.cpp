#include "kernels/panels.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "kernels/reference/half.h"

namespace instructblip::kernels {
namespace {

constexpr int kRows = static_cast<int>(kRowsOfPanel);

std::int64_t blocks_of(std::int64_t columns) {
  return (columns + kColumnsOfBlock - 1) / kColumnsOfBlock;
}

// Columns that are turned at a time: sixteen pieces of rows stay in the first level cache.
constexpr std::int64_t kColumnsAtATime = 64;

template <class Element>
void interleave(const PanelSource& from, Element* to) {
  const auto* rows = static_cast<const Element*>(from.rows_at);
  if (from.rows < kRows) std::fill(to, to + from.columns * kRows, Element{});
  for (std::int64_t begin = 0; begin < from.columns; begin += kColumnsAtATime) {
    const std::int64_t end = std::min(from.columns, begin + kColumnsAtATime);
    for (std::int64_t row = 0; row < from.rows; ++row) {
      const Element* in = rows + row * from.columns;
      for (std::int64_t k = begin; k < end; ++k) to[k * kRows + row] = in[k];
    }
  }
}

void quantise_to_8_bits(const PanelSource& from, std::byte* panel) {
  const auto* rows = static_cast<const float*>(from.rows_at);
  std::array<float, kRows> scales{};
  auto* elements = reinterpret_cast<std::int8_t*>(panel + sizeof(scales));
  std::fill(elements, elements + from.columns * kRows, std::int8_t{0});
  for (std::int64_t row = 0; row < from.rows; ++row) {
    const float* in = rows + row * from.columns;
    float largest = 0.0f;
    for (std::int64_t k = 0; k < from.columns; ++k) largest = std::max(largest, std::fabs(in[k]));
    const float scale = largest / 127.0f;
    const float inverse = scale > 0.0f ? 1.0f / scale : 0.0f;
    scales[static_cast<std::size_t>(row)] = scale;
    for (std::int64_t k = 0; k < from.columns; ++k) {
      const float nearest = std::nearbyint(std::clamp(in[k] * inverse, -127.0f, 127.0f));
      elements[k * kRows + row] = static_cast<std::int8_t>(nearest);
    }
  }
  std::memcpy(panel, scales.data(), sizeof(scales));
}

// To the nearest, ties to even; |x| is at most the largest number of the format.
std::uint16_t to_f16(float x) {
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

// The element farthest from 0 becomes -8 times the scale, which uses all sixteen values.
float scale_of_block(const float* in, std::int64_t count) {
  float farthest = 0.0f;
  for (std::int64_t k = 0; k < count; ++k) {
    if (std::fabs(in[k]) > std::fabs(farthest)) farthest = in[k];
  }
  constexpr float kLargest = 65504.0f;
  return std::clamp(farthest / -8.0f, -kLargest, kLargest);
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
      const float inverse = value == 0.0f ? 0.0f : 1.0f / value;
      scales[static_cast<std::size_t>(row)] = scale;
      for (std::int64_t k = 0; k < count; ++k) {
        const float nearest = std::nearbyint(std::clamp(in[k] * inverse, -8.0f, 7.0f)) + 8.0f;
        auto& word = words[static_cast<std::size_t>(k / 8 * kRows + row)];
        const auto shift = static_cast<std::uint32_t>(4 * (k % 8));
        word = (word & ~(15U << shift)) | static_cast<std::uint32_t>(nearest) << shift;
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
      return interleave(from, reinterpret_cast<float*>(panel));
    case Format::f16:
    case Format::bf16:
      return interleave(from, reinterpret_cast<std::uint16_t*>(panel));
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
