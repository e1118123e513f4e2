#include "kernels/resample.h"

#include <gtest/gtest.h>

#include <ostream>

#include "kernels/numbers.h"

namespace instructblip::kernels {

void PrintTo(const ResampleKernel& kernel, std::ostream* out) { *out << kernel.name; }

namespace {

class Resample : public testing::TestWithParam<ResampleKernel> {
 protected:
  void SetUp() override {
    const Support support = GetParam().supports({}, this_machine());
    if (!support) GTEST_SKIP() << support.reason();
  }
};

// A picture with padded rows, and weights of both signs that add up to about one.
struct Data {
  ResampleProblem problem;
  std::vector<std::uint8_t> in;
  std::ptrdiff_t stride;
  std::vector<std::int32_t> first, count, weights;

  Data(ResampleProblem::Axis axis, int height, int width, int outputs, int taps)
      : problem{axis, height, width, outputs, taps, 22}, stride(3 * width + 5) {
    std::minstd_rand draw(7);
    for (std::ptrdiff_t i = 0; i < stride * height; ++i) {
      // Black and white are where sums leave 8 bits.
      const auto value = draw();
      in.push_back(static_cast<std::uint8_t>(value % 3 == 0   ? 0
                                             : value % 3 == 1 ? 255
                                                              : value % 251));
    }
    const int inputs = axis == ResampleProblem::Axis::horizontal ? width : height;
    for (int i = 0; i < outputs; ++i) {
      const int used = std::min(inputs, taps - static_cast<int>(draw() % 2) * (taps > 1 ? 1 : 0));
      first.push_back(static_cast<int>(draw() % static_cast<unsigned>(inputs - used + 1)));
      count.push_back(used);
      for (int t = 0; t < taps; ++t) {
        const auto size = static_cast<std::int32_t>(draw() % (1U << 23)) / used;
        weights.push_back(t >= used ? 0 : t % 3 == 2 ? -size / 2 : size);
      }
    }
  }

  std::vector<std::uint8_t> run(const ResampleKernel& kernel, Queue& queue) const {
    const bool horizontal = problem.axis == ResampleProblem::Axis::horizontal;
    const int kept = horizontal ? problem.height : problem.width;
    std::vector<std::uint8_t> out(3 * static_cast<std::size_t>(kept) *
                                  static_cast<std::size_t>(problem.outputs));
    kernel.run(problem, {in.data(), stride, first.data(), count.data(), weights.data(), out.data()},
               queue);
    return out;
  }
};

TEST_P(Resample, GivesTheBytesOfTheReference) {
  SerialQueue serial;
  ScatteringQueue scattering;
  const ResampleKernel& reference = resample_kernels().back();
  for (const auto axis : {ResampleProblem::Axis::horizontal, ResampleProblem::Axis::vertical}) {
    for (const int inputs : {1, 2, 7, 17, 63, 64, 65, 300}) {
      for (const int taps : {1, 2, 7, 15, 16, 17, 33, 257}) {
        const bool horizontal = axis == ResampleProblem::Axis::horizontal;
        const Data data(axis, horizontal ? 3 : inputs, horizontal ? inputs : 23, 9, taps);
        const std::vector<std::uint8_t> want = data.run(reference, serial);
        EXPECT_EQ(data.run(GetParam(), serial), want) << inputs << " " << taps;
        EXPECT_EQ(data.run(GetParam(), scattering), want) << inputs << " " << taps;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kernels, Resample, testing::ValuesIn(resample_kernels()), NameOfKernel());

}  // namespace
}  // namespace instructblip::kernels
