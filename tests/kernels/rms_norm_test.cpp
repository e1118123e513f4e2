#include "kernels/rms_norm.h"

#include <gtest/gtest.h>

#include <limits>
#include <ostream>

#include "kernels/numbers.h"

namespace instructblip::kernels {

void PrintTo(const RmsNormKernel& kernel, std::ostream* out) { *out << kernel.name; }

namespace {

constexpr float kEps = 1e-6f;

class RmsNorm : public testing::TestWithParam<RmsNormKernel> {
 protected:
  void SetUp() override {
    const Support support = GetParam().supports({.rows = 1, .width = 1}, this_machine());
    if (!support) GTEST_SKIP() << support.reason();
  }

  // A weight for each number of a row.
  std::vector<float> run(const std::vector<float>& x, const std::vector<float>& weight,
                         Queue& queue) const {
    const auto width = static_cast<std::int64_t>(weight.size());
    std::vector<float> y(x.size(), std::numeric_limits<float>::quiet_NaN());
    GetParam().run({static_cast<std::int64_t>(x.size()) / width, width, kEps},
                   {x.data(), weight.data(), y.data()}, queue);
    return y;
  }
};

std::vector<float> scaled(std::vector<float> x, float by) {
  for (float& value : x) value *= by;
  return x;
}

// The sum of squares is off by its roundings, of which the root halves the relative error; the
// mean, eps, the root, the reciprocal and two products are a rounding each.
TEST_P(RmsNorm, DividesByTheRootOfTheMeanSquare) {
  SerialQueue queue;
  for (const std::int64_t width : {1, 2, 15, 16, 17, 31, 32, 33, 47, 48, 63, 64, 65, 768, 2049}) {
    for (const float size : {1e-5f, 1.0f, 3e4f}) {
      const std::vector<float> x = scaled(numbers(3 * width, 7), size);
      const std::vector<float> weight = numbers(width, 8);
      const std::vector<float> y = run(x, weight, queue);
      for (std::int64_t row = 0; row < 3; ++row) {
        const float* const from = x.data() + row * width;
        double sum = 0.0;
        for (std::int64_t i = 0; i < width; ++i) sum += static_cast<double>(from[i]) * from[i];
        const double root = std::sqrt(sum / static_cast<double>(width) + kEps);
        for (std::int64_t i = 0; i < width; ++i) {
          const double want = from[i] / root * weight[static_cast<std::size_t>(i)];
          EXPECT_NEAR(y[static_cast<std::size_t>(row * width + i)], want,
                      (roundings(width) / 2 + roundings(6)) * std::abs(want))
              << width << " " << row << " " << i;
        }
      }
    }
  }
}

TEST_P(RmsNorm, MayWriteWhereItReads) {
  SerialQueue queue;
  const std::vector<float> x = numbers(5 * 77, 9), weight = numbers(77, 10);
  std::vector<float> y = x;
  GetParam().run({5, 77, kEps}, {y.data(), weight.data(), y.data()}, queue);
  EXPECT_TRUE(same_bits(y, run(x, weight, queue)));
}

TEST_P(RmsNorm, ARowHasItsBitsWhateverIsBesideIt) {
  SerialQueue serial;
  ScatteringQueue scattering;
  const std::vector<float> x = numbers(700 * 99, 11), weight = numbers(99, 12);
  const std::vector<float> all = run(x, weight, scattering);
  EXPECT_TRUE(same_bits(all, run(x, weight, serial)));
  const std::vector<float> last(x.end() - 99, x.end());
  EXPECT_TRUE(same_bits({all.end() - 99, all.end()}, run(last, weight, serial)));
}

TEST_P(RmsNorm, ShowsWhatIsNoNumber) {
  SerialQueue queue;
  std::vector<float> x = numbers(2 * 40, 13);
  x[3] = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> y = run(x, std::vector<float>(40, 1.0f), queue);
  for (std::size_t i = 0; i < 40; ++i) {
    EXPECT_TRUE(std::isnan(y[i])) << i;
    EXPECT_TRUE(std::isfinite(y[40 + i])) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Kernels, RmsNorm, testing::ValuesIn(rms_norm_kernels()), NameOfKernel());

// The same bits by any instructions.
TEST(RmsNormKernels, AgreeToTheBit) {
  SerialQueue queue;
  const std::vector<float> x = numbers(3 * 1003, 14), weight = numbers(1003, 15);
  const auto run = [&](const RmsNormKernel& kernel) {
    std::vector<float> y(x.size());
    kernel.run({3, 1003, kEps}, {x.data(), weight.data(), y.data()}, queue);
    return y;
  };
  const auto all = rms_norm_kernels();
  const std::vector<float> portable = run(all[all.size() - 2]);
  for (const RmsNormKernel& kernel : all.first(all.size() - 2)) {
    if (!kernel.supports({3, 1003, kEps}, this_machine())) continue;
    EXPECT_TRUE(same_bits(run(kernel), portable)) << kernel.name;
  }
}

}  // namespace
}  // namespace instructblip::kernels
