// Matrices of 8 and 4 bits in tiles, by operations of a device without kernels.
#include "nn/tiled_matrix.h"

#include <ATen/ops/cat.h>
#include <gtest/gtest.h>

#include <vector>

#include "unit/nn/stand_in_device.h"
#include "unit/nn/tensors.h"

namespace instructblip {
namespace {

using Kind = nn::Pairing::Kind;

std::vector<at::Tensor> blocks_of(const std::vector<std::int64_t>& rows, std::int64_t columns) {
  std::vector<at::Tensor> blocks;
  for (const std::int64_t count : rows) {
    blocks.push_back(wave({count, columns}, 0.37 + 0.1 * static_cast<double>(blocks.size())));
  }
  return blocks;
}

struct Layout {
  nn::Pairing asked;
  std::vector<std::int64_t> rows;
  Kind made;
};

class TiledMatrices : public testing::TestWithParam<nn::Format> {};

TEST_P(TiledMatrices, HoldTheElementsOfAPackedOne) {
  const nn::Runtime here;
  StandInRuntime there(at::kHalf);
  const nn::Pairing none, gate{.kind = Kind::gate}, heads{.kind = Kind::heads, .width = 16},
      wide_heads{.kind = Kind::heads, .width = 48}, odd_heads{.kind = Kind::heads, .width = 24};
  for (const Layout& layout :
       {Layout{none, {37}, Kind::none}, Layout{none, {5, 30}, Kind::none},
        Layout{gate, {24, 24}, Kind::gate}, Layout{gate, {20, 20}, Kind::none},
        Layout{gate, {32}, Kind::none}, Layout{heads, {32, 16, 16}, Kind::heads},
        Layout{wide_heads, {96, 48, 48}, Kind::heads},
        Layout{odd_heads, {48, 24, 24}, Kind::none}}) {
    for (const std::int64_t columns : {8, 40, 136}) {
      const std::vector<at::Tensor> blocks = blocks_of(layout.rows, columns);
      const nn::PackedMatrix packed(here, GetParam(), {at::cat(blocks)});
      const at::Tensor got = there.run([&] {
        const nn::TiledMatrix tiled(there, GetParam(), layout.asked, blocks);
        EXPECT_EQ(tiled.pairing(), layout.made);
        EXPECT_EQ(tiled.bytes(), nn::tiled_bytes(GetParam(), packed.rows(), columns));
        return nn::to_host(tiled.values(at::kFloat)).contiguous();
      });
      ASSERT_EQ(got.size(0), packed.rows());
      ASSERT_EQ(got.size(1), columns);
      std::vector<float> want(static_cast<std::size_t>(columns));
      for (std::int64_t row = 0; row < packed.rows(); ++row) {
        packed.read_row(row, want.data());
        const float* const values = got[row].const_data_ptr<float>();
        ASSERT_EQ(std::vector<float>(values, values + columns), want) << row;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, TiledMatrices, testing::Values(nn::Format::w8, nn::Format::w4));

}  // namespace
}  // namespace instructblip
