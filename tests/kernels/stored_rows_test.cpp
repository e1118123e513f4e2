// What files hold of 8 and 4 bits must give the panels that were packed from the values themselves.
#include "kernels/stored_rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <random>
#include <tuple>
#include <vector>

namespace instructblip::kernels {
namespace {

// Rows that are packed, and stored from their panels.
struct Stored {
  Format format;
  std::int64_t rows, columns;
  std::vector<float> values;
  std::vector<std::byte> panels, elements, scales;

  Stored(Format as, std::int64_t count, std::int64_t width)
      : format(as), rows(count), columns(width) {
    std::mt19937 random(7);
    std::normal_distribution<float> normal(0.0f, 0.05f);
    values.resize(static_cast<std::size_t>(rows * columns));
    std::ranges::generate(values, [&] { return normal(random); });
    std::fill_n(values.begin(), columns, 0.0f);  // a row of zeros has a scale of 0
    panels.assign(static_cast<std::size_t>(panels_of(rows)) * panel_bytes(), std::byte{0xEE});
    for (std::int64_t row = 0; row < rows; row += kRowsOfPanel) {
      pack_panel(format,
                 {values.data() + row * columns, std::min(kRowsOfPanel, rows - row), columns},
                 panel_of(row));
    }
    const StoredSizes sizes = stored_sizes(format, columns);
    elements.resize(static_cast<std::size_t>(rows) * sizes.elements);
    scales.resize(static_cast<std::size_t>(rows) * sizes.scales);
    for (std::int64_t row = 0; row < rows; ++row) {
      const auto at = static_cast<std::size_t>(row);
      store_row(format, panel_of(row), row % kRowsOfPanel, columns,
                {elements.data() + at * sizes.elements, scales.data() + at * sizes.scales});
    }
  }

  std::size_t panel_bytes() const { return bytes_of_panel(format, columns); }
  std::byte* panel_of(std::int64_t row) {
    return panels.data() + static_cast<std::size_t>(row / kRowsOfPanel) * panel_bytes();
  }
  StoredRow row_at(std::int64_t row) const {
    const StoredSizes sizes = stored_sizes(format, columns);
    const auto at = static_cast<std::size_t>(row);
    return {elements.data() + at * sizes.elements, scales.data() + at * sizes.scales};
  }
};

class StoredRowsTest
    : public testing::TestWithParam<std::tuple<Format, std::int64_t, std::int64_t>> {};

TEST_P(StoredRowsTest, GiveThePanelsOfTheValues) {
  const auto [format, rows, columns] = GetParam();
  Stored stored(format, rows, columns);
  std::vector<std::byte> again(stored.panels.size(), std::byte{0x11});
  for (std::int64_t first = 0; first < rows; first += kRowsOfPanel) {
    std::vector<StoredRow> some;
    for (std::int64_t row = first; row < std::min(rows, first + kRowsOfPanel); ++row) {
      some.push_back(stored.row_at(row));
    }
    pack_stored(format, some, columns,
                again.data() + (stored.panel_of(first) - stored.panels.data()));
  }
  EXPECT_EQ(again, stored.panels);
}

TEST_P(StoredRowsTest, AreTheNumbersOfThePanels) {
  const auto [format, rows, columns] = GetParam();
  Stored stored(format, rows, columns);
  std::vector<float> expected(static_cast<std::size_t>(columns)), got(expected.size());
  for (std::int64_t row = 0; row < rows; ++row) {
    unpack_row(format, stored.panel_of(row), row % kRowsOfPanel, columns, expected.data());
    unpack_stored(format, stored.row_at(row), columns, got.data());
    EXPECT_EQ(got, expected) << row;
  }
  EXPECT_EQ(first_bad_scale(format, stored.scales), -1);
}

INSTANTIATE_TEST_SUITE_P(Shapes, StoredRowsTest,
                         testing::Combine(testing::Values(Format::w8, Format::w4),
                                          testing::Values(1, 15, 16, 17, 40),
                                          testing::Values(1, 15, 16, 31, 32, 33, 95, 256)));

TEST(StoredRows, ThatAreDamagedAreFoundByTheirScales) {
  Stored eight(Format::w8, 5, 8), four(Format::w4, 5, 64);
  const float infinite = std::numeric_limits<float>::infinity(), negative = -0.5f;
  std::memcpy(eight.scales.data() + 12, &infinite, sizeof(infinite));
  EXPECT_EQ(first_bad_scale(Format::w8, eight.scales), 3);
  std::memcpy(eight.scales.data() + 4, &negative, sizeof(negative));
  EXPECT_EQ(first_bad_scale(Format::w8, eight.scales), 1);
  const std::uint16_t none = 0xFE01;
  std::memcpy(four.scales.data() + 14, &none, sizeof(none));
  EXPECT_EQ(first_bad_scale(Format::w4, four.scales), 7);
}

}  // namespace
}  // namespace instructblip::kernels
