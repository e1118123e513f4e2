#include "kernels/cuda/weight_tiles.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "emulator/tiled_matrix.h"

namespace instructblip::kernels::cuda {
namespace {

template <class Element>
Element read(const std::byte* at) {
  Element element;
  std::memcpy(&element, at, sizeof(element));
  return element;
}

// An element by what the header says of the order.
template <class T>
float element_of(Format format, const std::byte* tile, std::int32_t row, std::int32_t input) {
  const std::int32_t unit = input / inputs_of_unit(format), k = input % inputs_of_unit(format);
  const std::byte* units = tile + bytes_before_units(format) + unit * bytes_of_unit(format);
  const std::int32_t t = k % 32 / 8, j = k % 8, block = k / 32;
  const std::byte* piece = units + row / 8 * 512 + 16 * (row % 8 * 4 + t);
  if (format == Format::w8) {
    return read<float>(tile + 4 * row) * read<std::int8_t>(piece + 8 * block + j);
  }
  if (format == Format::w4) {
    const auto scale = read<dev::Half>(units + 1024 + row % 8 * 16 + row / 8 * 8 + 2 * block);
    const auto bits = read<std::uint32_t>(piece + 4 * block) >> (4 * (j / 2) + 16 * (j % 2)) & 15;
    return dev::widen(scale) * static_cast<float>(static_cast<int>(bits) - 8);
  }
  return dev::widen(read<T>(piece + 2 * j));
}

template <class T>
void expect_elements(Format format, std::int32_t inputs) {
  const Matrix<T> w(format, 64, inputs, 1);
  const Tiles plain = plain_tiles(w), heads = tiles_of_heads(w, 32);
  const Tiles gated = gated_tiles(w, w);
  const auto byte_of = [&](const Tiles& tiles, std::int32_t tile) {
    return static_cast<const std::byte*>(tiles.data()) +
           static_cast<std::size_t>(tile) * bytes_of_tile(format, inputs);
  };
  for (std::int32_t i = 0; i < 64 * inputs; ++i) {
    const std::int32_t row = i / inputs, input = i % inputs;
    const float want = w.elements[static_cast<std::size_t>(i)];
    ASSERT_EQ(element_of<T>(format, byte_of(plain, row / 16), row % 16, input), want);
    for (const std::int32_t half : {0, 8}) {
      ASSERT_EQ(element_of<T>(format, byte_of(gated, row / 8), half + row % 8, input), want);
    }
    // Two heads of two tiles each: dimensions 0 and 16, ...; 8 and 24, ...
    const std::int32_t d = row % 32, tile = row / 32 * 2 + d % 16 / 8;
    ASSERT_EQ(element_of<T>(format, byte_of(heads, tile), d / 16 * 8 + d % 8, input), want);
  }
}

TEST(WeightTilesTest, HoldTheElementsOfPanelsInTheOrderThatTheyDocument) {
  expect_elements<dev::Half>(Format::f16, 40);
  expect_elements<dev::Bfloat>(Format::bf16, 64);
  expect_elements<dev::Half>(Format::w8, 136);
  expect_elements<dev::Half>(Format::w4, 328);
}

// What kernels read beyond the inputs must be finite: it is multiplied with zeros.
TEST(WeightTilesTest, EndInZeros) {
  const Matrix<dev::Half> w(Format::f16, 16, 40, 1);
  const Tiles tiles = plain_tiles(w);
  for (std::int32_t input = 40; input < 64; ++input) {
    EXPECT_EQ(
        element_of<dev::Half>(Format::f16, static_cast<const std::byte*>(tiles.data()), 3, input),
        0.0f);
  }
}

}  // namespace
}  // namespace instructblip::kernels::cuda
