// Pictures as numbers on a device: by a kernel, and without one. The emulator runs it.
#include "nn/pixel_values.h"

#include <ATen/ops/empty.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "unit/nn/emulated_device.h"

namespace instructblip {
namespace {

constexpr std::int64_t kPictures = 3, kHeight = 5, kWidth = 9;

kernels::PixelTable table() {
  kernels::PixelTable table;
  for (std::size_t channel = 0; channel < 3; ++channel) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      table[channel][byte] =
          (static_cast<float>(byte) / 255.0F - 0.4F - 0.03F * static_cast<float>(channel)) / 0.27F;
    }
  }
  return table;
}

at::Tensor pictures(int seed) {
  at::Tensor bytes = at::empty({kPictures, kHeight, kWidth, 3}, nn::host(at::kByte));
  auto* const values = bytes.mutable_data_ptr<std::uint8_t>();
  for (std::int64_t i = 0; i < bytes.numel(); ++i) {
    values[i] = static_cast<std::uint8_t>((i * 37 + seed * 11) % 256);
  }
  return bytes;
}

std::int64_t launched() {
  const auto& launches = launches_of_emulated_device();
  const auto found = launches.find("pixel_values");
  return found == launches.end() ? 0 : found->second;
}

// Each picture by a launch.
void expect_bits(nn::Runtime& runtime, std::int64_t launches) {
  const kernels::PixelTable table = instructblip::table();
  const nn::PixelValues values(runtime, table);
  for (int seed = 0; seed < 2; ++seed) {
    const at::Tensor bytes = pictures(seed);
    const std::int64_t before = launched();
    runtime.run([&] {
      const at::Tensor there = values(bytes);
      EXPECT_EQ(there.device(), runtime.device());
      EXPECT_EQ(there.scalar_type(), runtime.row_type());
      const at::Tensor here = values.here(bytes);
      EXPECT_EQ(here.sizes(), (at::IntArrayRef{kPictures, 3, kHeight, kWidth}));
      EXPECT_TRUE(nn::to_host(there).equal(here.to(runtime.row_type()).to(at::kFloat)));
      EXPECT_EQ(here[2][1][4][7].item<float>(), table[1][bytes[2][4][7][1].item<std::uint8_t>()]);
    });
    EXPECT_EQ(launched() - before, launches);
  }
}

class PixelValuesOnDevice : public testing::TestWithParam<at::ScalarType> {};

TEST_P(PixelValuesOnDevice, HaveTheBitsOfTheProcessor) {
  EmulatedRuntime device(GetParam());
  expect_bits(device, kPictures);
}

TEST_P(PixelValuesOnDevice, HaveThemWithoutAKernelToo) {
  EmulatedRuntime device(GetParam(), [](kernels::cuda::Tables& tables) { tables = {}; });
  expect_bits(device, 0);
}

INSTANTIATE_TEST_SUITE_P(Rows, PixelValuesOnDevice,
                         testing::Values(at::kHalf, at::kBFloat16, at::kFloat),
                         [](const auto& test) { return std::string(c10::toString(test.param)); });

TEST(PixelValues, AreThereOnTheProcessor) {
  nn::Runtime runtime;
  expect_bits(runtime, 0);
}

}  // namespace
}  // namespace instructblip
