#include "kernels/cuda/pixels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <vector>

#include "emulator/half_numbers.h"
#include "emulator/running.h"
#include "kernels/reference/resample.h"

namespace instructblip::kernels::cuda {
namespace {

using Axis = ResampleProblem::Axis;

std::vector<std::uint8_t> picture_of(std::ptrdiff_t bytes) {
  std::minstd_rand draw(7);
  std::vector<std::uint8_t> picture;
  for (std::ptrdiff_t i = 0; i < bytes; ++i) {
    const auto value = draw();  // black and white are where sums leave 8 bits
    picture.push_back(static_cast<std::uint8_t>(value % 3 == 0   ? 0
                                                : value % 3 == 1 ? 255
                                                                 : value % 251));
  }
  return picture;
}

// Weights of both signs that add up to about one, as bicubic ones do.
void expect_bytes_of_the_reference(const ResampleProblem& problem) {
  const bool horizontal = problem.axis == Axis::horizontal;
  const int inputs = horizontal ? problem.width : problem.height;
  const std::ptrdiff_t stride = 3 * problem.width + 5;
  const std::vector<std::uint8_t> in = picture_of(stride * problem.height);
  std::minstd_rand draw(3);
  std::vector<std::int32_t> first, count, weights;
  for (int i = 0; i < problem.outputs; ++i) {
    const int used = std::min(inputs, problem.taps - static_cast<int>(draw() % 2));
    count.push_back(std::max(used, 1));
    first.push_back(static_cast<int>(draw() % static_cast<unsigned>(inputs - count.back() + 1)));
    for (int t = 0; t < problem.taps; ++t) {
      const auto size =
          static_cast<std::int32_t>(draw() % (2u << problem.precision)) / count.back();
      weights.push_back(t >= count.back() ? 0 : t % 3 == 2 ? -size / 2 : size);
    }
  }
  const int kept = horizontal ? problem.height : problem.width;
  std::vector<std::uint8_t> want(static_cast<std::size_t>(3 * kept * problem.outputs)), got = want;
  ResampleBuffers buffers{in.data(),    stride,         first.data(),
                          count.data(), weights.data(), want.data()};
  SerialQueue queue;
  reference::resample(problem, buffers, queue);
  buffers.out = got.data();
  emulator::run_in_every_order(
      got, [&] { EXPECT_EQ(resample_axis(problem, buffers, nullptr, true), 0); });
  EXPECT_EQ(got, want) << problem.height << " x " << problem.width << ", " << problem.taps;
}

TEST(CudaPixelsTest, ResamplesToTheBytesOfTheReference) {
  for (const int precision : {22, 14}) {  // Pillow's; one of torchvision's
    expect_bytes_of_the_reference({Axis::horizontal, 1, 1, 3, 1, precision});
    expect_bytes_of_the_reference({Axis::horizontal, 5, 97, 31, 13, precision});
    expect_bytes_of_the_reference({Axis::horizontal, 2, 9, 70, 5, precision});
    expect_bytes_of_the_reference({Axis::vertical, 97, 5, 31, 13, precision});
    expect_bytes_of_the_reference({Axis::vertical, 9, 33, 20, 5, precision});
  }
}

std::vector<float> table_of_values() {
  std::vector<float> values;
  for (int i = 0; i < 3 * 256; ++i) {
    values.push_back(
        (static_cast<float>(i % 256) / 255.0f - 0.48f - 0.01f * static_cast<float>(i / 256)) /
        0.27f);
  }
  return values;
}

template <class T>
void expect_values(const PixelValuesProblem& problem) {
  ASSERT_EQ(pixel_values_refuse(problem), nullptr);
  const std::vector<std::uint8_t> in =
      picture_of(std::ptrdiff_t{3} * problem.kept_height * problem.kept_width);
  const std::vector<float> values = table_of_values();
  std::vector<T> out(static_cast<std::size_t>(3 * problem.height * problem.width));
  emulator::run_in_every_order(out, [&] {
    EXPECT_EQ(look_up_pixel_values(problem, {in.data(), values.data(), out.data()}, nullptr, true),
              0);
  });
  std::vector<T> want;
  for (int c = 0; c < 3; ++c) {
    for (int y = 0; y < problem.height; ++y) {
      for (int x = 0; x < problem.width; ++x) {
        const int row = y - problem.top, column = x - problem.left;
        const bool kept =
            row >= 0 && row < problem.kept_height && column >= 0 && column < problem.kept_width;
        const int byte =
            kept ? in[static_cast<std::size_t>((row * problem.kept_width + column) * 3 + c)] : 0;
        want.push_back(dev::narrow<T>(values[static_cast<std::size_t>(c * 256 + byte)]));
      }
    }
  }
  EXPECT_EQ(std::memcmp(out.data(), want.data(), out.size() * sizeof(T)), 0);
}

TEST(CudaPixelsTest, LooksValuesUp) {
  expect_values<float>({true, Element::f16, 19, 30, 19, 30, 0, 0});
  expect_values<float>({true, Element::f16, 19, 30, 7, 11, 5, 19});
  expect_values<dev::Half>({false, Element::f16, 16, 16, 16, 10, 0, 3});
  expect_values<dev::Bfloat>({false, Element::bf16, 3, 1, 3, 1, 0, 0});
  EXPECT_STREQ(pixel_values_refuse({false, Element::f16, 8, 8, 8, 7, 0, 2}),
               "what comes in lies within what goes out");
}

}  // namespace
}  // namespace instructblip::kernels::cuda
