#include "nn/packed_matrix.h"

#include <ATen/ops/cat.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "nn/reading_room.h"
#include "tensors.h"

namespace instructblip {
namespace {

using nn::Format;
using nn::PackedMatrix;

constexpr std::int64_t kColumns = 37;
// So many that a piece is one panel.
constexpr std::int64_t kRowBytes = std::int64_t{1} << 40;

// What is packed of the whole matrix at once.
std::vector<std::byte> expected_panels(Format format, const at::Tensor& values) {
  const std::size_t panel_bytes = kernels::bytes_of_panel(format, kColumns);
  const std::int64_t rows = values.size(0);
  std::vector<std::byte> panels(static_cast<std::size_t>(kernels::panels_of(rows)) * panel_bytes);
  for (std::int64_t row = 0; row < rows; row += kernels::kRowsOfPanel) {
    kernels::pack_panel(
        format,
        {values[row].const_data_ptr(), std::min(kernels::kRowsOfPanel, rows - row), kColumns},
        panels.data() + static_cast<std::size_t>(row / kernels::kRowsOfPanel) * panel_bytes);
  }
  return panels;
}

bool has_panels(const PackedMatrix& matrix, const std::vector<std::byte>& expected) {
  return std::memcmp(matrix.panel_of(0), expected.data(), expected.size()) == 0;
}

class PackedMatrixTest : public testing::TestWithParam<Format> {
 protected:
  // Blocks that end within a panel, and one of a single row.
  std::vector<at::Tensor> blocks() const {
    std::vector<at::Tensor> blocks;
    for (const std::int64_t rows : {40, 1, 50}) {
      const double seed = static_cast<double>(rows) / 100;
      blocks.push_back(wave({rows, kColumns}, seed).to(nn::packed_from(GetParam())));
    }
    return blocks;
  }

  const nn::Runtime runtime_{2};
};

TEST_P(PackedMatrixTest, PiecesArePackedAsTheWhole) {
  const std::vector<at::Tensor> all = blocks();
  const auto expected = expected_panels(GetParam(), at::cat(all).contiguous());
  EXPECT_TRUE(has_panels(PackedMatrix(runtime_, GetParam(), all), expected));
  std::vector<nn::RowSource> sources;
  for (const at::Tensor& block : all) {
    sources.push_back({block.size(0), kRowBytes, [block](std::int64_t first, std::int64_t count) {
                         return block.narrow(0, first, count);
                       }});
  }
  EXPECT_TRUE(has_panels(PackedMatrix(runtime_, GetParam(), kColumns, sources), expected));
}

INSTANTIATE_TEST_SUITE_P(Formats, PackedMatrixTest,
                         testing::Values(Format::f32, Format::f16, Format::bf16, Format::w8,
                                         Format::w4));

// No second copy: what was read is told to be packed before more is read.
TEST(PackedMatrix, APieceIsReleasedBeforeTheNextIsRead) {
  const nn::Runtime runtime;
  const at::Tensor values = wave({100, kColumns}, 0.5);
  std::int64_t held = 0, most = 0, next = 0, released = 0;
  const nn::RowSource source{100, kRowBytes,
                             [&](std::int64_t first, std::int64_t count) {
                               EXPECT_EQ(first, next);
                               next += count;
                               most = std::max(most, held += count);
                               return values.narrow(0, first, count);
                             },
                             [&](std::int64_t first, std::int64_t count) {
                               EXPECT_EQ(first, released);
                               released += count;
                               held -= count;
                             }};
  const PackedMatrix matrix(runtime, Format::w8, kColumns, {source});
  EXPECT_EQ(most, kernels::kRowsOfPanel);
  EXPECT_EQ(next, 100);
  EXPECT_EQ(released, 100);
}

// Or both would have to be put together first, in memory that is taken for that alone.
TEST(PackedMatrix, APieceEndsWithItsBlockWhereAPanelDoes) {
  const nn::Runtime runtime;
  constexpr std::int64_t kFiveBlocksFit = 4096;
  const at::Tensor values = wave({32 + 48 + 20 + 30, kColumns}, 0.5);
  std::vector<std::int64_t> counts, pieces;
  std::vector<nn::RowSource> blocks;
  std::int64_t begin = 0;
  for (const std::int64_t rows : {32, 48, 20, 30}) {
    blocks.push_back({rows, kFiveBlocksFit,
                      [&, begin](std::int64_t first, std::int64_t count) {
                        counts.push_back(count);
                        return values.narrow(0, begin + first, count);
                      },
                      [&](std::int64_t, std::int64_t) { pieces.push_back(std::ssize(counts)); }});
    begin += rows;
  }
  const PackedMatrix matrix(runtime, Format::w8, kColumns, blocks);
  EXPECT_EQ(counts, (std::vector<std::int64_t>{32, 48, 20, 30}));
  EXPECT_EQ(pieces, (std::vector<std::int64_t>{1, 2, 4, 4}));  // the third ends inside a panel
  const std::vector<std::byte> want = expected_panels(Format::w8, values);
  EXPECT_EQ(std::memcmp(matrix.panel_of(0), want.data(), want.size()), 0);
}

TEST(ReadingRoom, IsTheSameMemoryEachTime) {
  nn::ReadingRoom room;
  const at::Tensor first = room.take({3, 5}, at::kFloat), second = room.take({7}, at::kHalf);
  first.fill_(1.0f);
  second.fill_(2.0f);
  EXPECT_EQ(first.sum().item<float>(), 15.0f);  // each has its own
  EXPECT_FALSE(room.take({8 << 20}, at::kFloat).defined());
  EXPECT_EQ(first.sum().item<float>(), 15.0f);
  room.clear();
  EXPECT_EQ(room.take({1}, at::kFloat).data_ptr(), first.data_ptr());
  room.clear();
  EXPECT_EQ(room.take({8 << 20}, at::kFloat).numel(), 8 << 20);  // it grows
}

TEST(PackedMatrix, WhatReadingThrowsIsThrown) {
  const nn::Runtime runtime;
  const nn::RowSource source{5, kRowBytes, [](std::int64_t, std::int64_t) -> at::Tensor {
                               throw std::length_error("no");
                             }};
  EXPECT_THROW(PackedMatrix(runtime, Format::f16, kColumns, {source}), std::length_error);
}

}  // namespace
}  // namespace instructblip
