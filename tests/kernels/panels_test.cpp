// Panels, element by element, against what panels.h says of them; rounding, against plain loops.
#include "kernels/panels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <tuple>
#include <vector>

#include "kernels/packed_matrix.h"
#include "kernels/reference/half.h"

namespace instructblip::kernels {
namespace {

template <class Value>
Value read(const std::vector<std::byte>& panel, std::int64_t byte) {
  Value value;
  std::memcpy(&value, panel.data() + byte, sizeof(Value));
  return value;
}

std::vector<std::byte> packed(Format format, const void* rows_at, std::int64_t rows,
                              std::int64_t columns) {
  std::vector<std::byte> panel(bytes_of_panel(format, columns) + 1, std::byte{0xEE});
  pack_panel(format, {rows_at, rows, columns}, panel.data());
  EXPECT_EQ(panel.back(), std::byte{0xEE}) << "written behind the panel";
  return panel;
}

class PanelsTest : public testing::TestWithParam<std::tuple<std::int64_t, std::int64_t>> {
 protected:
  const std::int64_t rows_ = std::get<0>(GetParam()), columns_ = std::get<1>(GetParam());
  std::mt19937 random_{5};

  // A row of zeros, one with a large element at its end, ties of either rounding, and others.
  std::vector<float> values() {
    std::normal_distribution<float> normal(0.0f, 0.05f);
    std::vector<float> values(static_cast<std::size_t>(rows_ * columns_));
    std::ranges::generate(values, [&] { return normal(random_); });
    std::fill_n(values.begin(), columns_, 0.0f);
    values.back() = -3.0e4f;
    for (std::int64_t k = 0; rows_ > 2 && k < columns_; ++k) {
      values[static_cast<std::size_t>(2 * columns_ + k)] = static_cast<float>(k % 255 - 127) / 2;
    }
    return values;
  }
};

TEST_P(PanelsTest, HaveColumnsOfSixteenRows) {
  std::vector<std::uint16_t> halves(static_cast<std::size_t>(rows_ * columns_));
  std::ranges::generate(halves, [&] { return static_cast<std::uint16_t>(random_()); });
  const std::vector<float> wide = values();
  const auto half_panel = packed(Format::f16, halves.data(), rows_, columns_);
  const auto wide_panel = packed(Format::f32, wide.data(), rows_, columns_);
  for (std::int64_t k = 0; k < columns_; ++k) {
    for (std::int64_t row = 0; row < kRowsOfPanel; ++row) {
      const std::int64_t at = k * kRowsOfPanel + row;
      const auto from = static_cast<std::size_t>(row * columns_ + k);
      ASSERT_EQ(read<std::uint16_t>(half_panel, at * 2), row < rows_ ? halves[from] : 0) << at;
      ASSERT_EQ(read<float>(wide_panel, at * 4), row < rows_ ? wide[from] : 0.0f) << at;
    }
  }
}

TEST_P(PanelsTest, Of8BitsAreTheNearest) {
  const std::vector<float> all = values();
  const auto panel = packed(Format::w8, all.data(), rows_, columns_);
  for (std::int64_t row = 0; row < kRowsOfPanel; ++row) {
    float largest = 0.0f;
    for (std::int64_t k = 0; row < rows_ && k < columns_; ++k) {
      largest = std::max(largest, std::fabs(all[static_cast<std::size_t>(row * columns_ + k)]));
    }
    const float scale = largest / 127.0f, inverse = scale > 0.0f ? 1.0f / scale : 0.0f;
    ASSERT_EQ(read<float>(panel, row * 4), scale) << row;
    for (std::int64_t k = 0; k < columns_; ++k) {
      const float value = row < rows_ ? all[static_cast<std::size_t>(row * columns_ + k)] : 0.0f;
      const auto expected =
          static_cast<int>(std::nearbyint(std::clamp(value * inverse, -127.0f, 127.0f)));
      ASSERT_EQ(read<std::int8_t>(panel, 64 + k * kRowsOfPanel + row), expected)
          << row << ", " << k;
    }
  }
}

TEST_P(PanelsTest, Of4BitsAreTheNearest) {
  const std::vector<float> all = values();
  const auto panel = packed(Format::w4, all.data(), rows_, columns_);
  for (std::int64_t k = 0; k < columns_; ++k) {
    const std::int64_t first = k / kColumnsOfBlock * kColumnsOfBlock;
    const std::int64_t at = k / kColumnsOfBlock * static_cast<std::int64_t>(kBytesOfBlock);
    for (std::int64_t row = 0; row < rows_; ++row) {
      const float* const block = all.data() + row * columns_ + first;
      const float* const behind = block + std::min(kColumnsOfBlock, columns_ - first);
      const float farthest = *std::max_element(
          block, behind, [](float a, float b) { return std::fabs(a) < std::fabs(b); });
      const float scale = reference::from_f16(read<std::uint16_t>(panel, at + row * 2));
      ASSERT_NEAR(scale, farthest / -8.0f, std::fabs(farthest) / 8192) << row << ", " << k;
      const float inverse = scale == 0.0f ? 0.0f : 1.0f / scale;
      const float value = all[static_cast<std::size_t>(row * columns_ + k)];
      const auto expected =
          static_cast<int>(std::nearbyint(std::clamp(value * inverse, -8.0f, 7.0f))) + 8;
      const std::int64_t within = k - first;
      const auto word = read<std::uint32_t>(panel, at + 32 + (within / 8 * kRowsOfPanel + row) * 4);
      ASSERT_EQ(static_cast<int>(word >> (4 * (within % 8)) & 15U), expected) << row << ", " << k;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, PanelsTest,
                         testing::Combine(testing::Values(1, 15, 16),
                                          testing::Values(1, 15, 16, 31, 32, 33, 63, 64, 65, 300)));

// What becomes of a number among others like it.
float in_4_bits(float value) {
  const std::vector<float> row(kColumnsOfBlock, value);
  std::vector<std::byte> panel(bytes_of_panel(Format::w4, kColumnsOfBlock));
  pack_panel(Format::w4, {row.data(), 1, kColumnsOfBlock}, panel.data());
  std::vector<float> out(row.size());
  unpack_row(Format::w4, panel.data(), 0, kColumnsOfBlock, out.data());
  return out[5];
}

TEST(Panels, TakeAScaleOf4BitsThatIsAlmostNothing) {
  for (const float value : {0.0f, 1e-9f, 3e-7f, 0x1p-24f, 1e-4f, 65504.0f * 8}) {
    // A scale of float16 has 11 bits, and none below 2^-24.
    EXPECT_NEAR(in_4_bits(value), value, value * 0x1p-11 + 8 * 0x1p-25) << value;
  }
}

// No smaller number in silence.
TEST(Panels, HaveNoNumberFor4BitsThatNeedALargerScaleThanFloat16Has) {
  for (const float value : {65505.0f * 8, -65505.0f * 8, 1e30f}) {
    EXPECT_TRUE(std::isnan(in_4_bits(value))) << value;
  }
}

TEST(Panels, HoldWhatIsStored) {
  for (const Format format : {Format::f32, Format::f16, Format::bf16}) {
    for (const std::int64_t rows : {1, 16, 21}) {
      const Matrix matrix(format, rows, 67, 5);
      EXPECT_EQ(matrix.values, matrix.stored) << name_of(format);
    }
  }
}

TEST(Panels, RoundTo8BitsOfARow) {
  Matrix matrix(Format::w8, 18, 67, 6);
  std::fill_n(matrix.stored.begin(), 67, 0.0f);  // a row of zeros has no scale
  matrix.pack(Format::w8);
  for (std::int64_t row = 1; row < 18; ++row) {
    const auto begin = matrix.stored.begin() + row * 67;
    const float largest = std::fabs(*std::max_element(
        begin, begin + 67, [](float a, float b) { return std::fabs(a) < std::fabs(b); }));
    for (std::int64_t k = 0; k < 67; ++k) {
      const auto i = static_cast<std::size_t>(row * 67 + k);
      EXPECT_NEAR(matrix.values[i], matrix.stored[i], largest / 127 * 0.5 * (1 + 1e-5));
    }
  }
  std::vector<float> zeros(67);
  unpack_row(Format::w8, matrix.panel_of(Format::w8, 0), 0, 67, zeros.data());
  EXPECT_EQ(zeros, std::vector<float>(67, 0.0f));
}

TEST(Panels, RoundTo4BitsOfABlock) {
  const Matrix matrix(Format::w4, 18, 70, 7);
  for (std::int64_t row = 0; row < 18; ++row) {
    for (std::int64_t begin = 0; begin < 70; begin += kColumnsOfBlock) {
      const std::int64_t count = std::min(kColumnsOfBlock, 70 - begin);
      const auto first = static_cast<std::size_t>(row * 70 + begin);
      float largest = 0.0f;
      for (std::size_t i = first; i < first + static_cast<std::size_t>(count); ++i) {
        largest = std::max(largest, std::fabs(matrix.stored[i]));
      }
      // Half a step, or a whole one at the end that has a value less; and the scale is rounded.
      for (std::size_t i = first; i < first + static_cast<std::size_t>(count); ++i) {
        EXPECT_NEAR(matrix.values[i], matrix.stored[i], largest / 8 * (1 + 0x1p-8));
      }
    }
  }
}

}  // namespace
}  // namespace instructblip::kernels
