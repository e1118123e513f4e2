#include "kernels/norm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <ostream>
#include <span>
#include <vector>

#include "kernels/numbers.h"
#include "support/operations.h"

namespace instructblip::kernels {

void PrintTo(const NormKernel& kernel, std::ostream* out) { *out << kernel.name; }

namespace {

constexpr float kEps = 1e-6f;

struct Given {
  std::vector<float> x, weight, bias = {};  // a weight for each number of a row
  bool centred = false;
};

// Rows of a LayerNorm, or of an RMSNorm.
Given given(std::int64_t rows, std::int64_t width, bool centred) {
  return {.x = numbers(rows * width, 7),
          .weight = numbers(width, 8),
          .bias = centred ? numbers(width, 9) : std::vector<float>(),
          .centred = centred};
}

std::vector<float> run(const NormKernel& kernel, const Given& g, Queue& queue) {
  const auto width = static_cast<std::int64_t>(g.weight.size());
  std::vector<float> y(g.x.size(), std::numeric_limits<float>::quiet_NaN());
  kernel.run({.rows = static_cast<std::int64_t>(g.x.size()) / width,
              .width = width,
              .eps = kEps,
              .centred = g.centred},
             {.x = g.x.data(),
              .weight = g.weight.data(),
              .bias = g.bias.empty() ? nullptr : g.bias.data(),
              .y = y.data()},
             queue);
  return y;
}

class Norm : public testing::TestWithParam<NormKernel> {
 protected:
  void SetUp() override {
    const Support support = GetParam().supports({.rows = 1, .width = 1}, this_machine());
    if (!support) GTEST_SKIP() << support.reason();
  }
};

constexpr std::int64_t kWidths[] = {1, 2, 15, 16, 17, 31, 32, 33, 47, 48, 63, 64, 65, 768, 2049};
constexpr std::int64_t kRows = 3;

std::span<const float> row_of(const Given& g, std::int64_t row) {
  return std::span(g.x).subspan(static_cast<std::size_t>(row) * g.weight.size(), g.weight.size());
}

// The sum of squares is off by its roundings, of which the root halves the relative error; the
// mean, eps, the root, the reciprocal and two products are a rounding each.
TEST_P(Norm, DividesByTheRootOfTheMeanSquare) {
  SerialQueue queue;
  for (const std::int64_t width : kWidths) {
    for (const float size : {1e-5f, 1.0f, 3e4f}) {
      Given g = given(kRows, width, false);
      for (float& value : g.x) value *= size;
      const std::vector<float> y = run(GetParam(), g, queue);
      for (std::int64_t row = 0; row < kRows; ++row) {
        const std::vector<double> want = test::rms_norm(row_of(g, row), g.weight, kEps);
        for (std::int64_t i = 0; i < width; ++i) {
          EXPECT_NEAR(
              y[static_cast<std::size_t>(row * width + i)], want[static_cast<std::size_t>(i)],
              (roundings(width) / 2 + roundings(6)) * std::abs(want[static_cast<std::size_t>(i)]))
              << width << " " << row << " " << i;
        }
      }
    }
  }
}

// What a LayerNorm may be off by. The mean is off by the roundings of its sum, and the squares are
// those of numbers that are centred by it: they add up to the variance and the square of that.
std::vector<double> layer_norm_bound(std::span<const float> x, const Given& g) {
  const auto n = static_cast<std::int64_t>(x.size());
  const double mean = test::mean_of(x);
  double size = 0.0, variance = 0.0;
  for (const float value : x) {
    size += std::abs(value) / static_cast<double>(n);
    variance += (value - mean) * (value - mean) / static_cast<double>(n);
  }
  const double mean_off = roundings(n + 1) * size;
  const double squares_off =
      roundings(n + 4) * variance + (1 + roundings(n + 4)) * mean_off * mean_off;
  const double root = 1.0 / std::sqrt(variance + kEps);
  const double root_off = squares_off / (variance + kEps) + roundings(6);
  std::vector<double> bound;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double scale = root * (1.0 + root_off) * std::abs(g.weight[i]);
    const double normal = scale * std::abs(x[i] - mean);
    const double before_bias = scale * mean_off + normal * (root_off + roundings(4));
    const double last = kRounding * (normal + std::abs(g.bias[i]) + before_bias);
    bound.push_back(before_bias + last + underflow(4));
  }
  return bound;
}

// Rows about zero, and such whose mean is much larger than what they differ by.
TEST_P(Norm, TakesTheMeanOffAndAddsABias) {
  SerialQueue queue;
  for (const std::int64_t width : kWidths) {
    for (const float offset : {0.0f, 30.0f, -3e3f}) {
      for (const float size : {1e-5f, 1.0f, 3e4f}) {
        Given g = given(kRows, width, true);
        for (float& value : g.x) value = value * size + offset;
        const std::vector<float> y = run(GetParam(), g, queue);
        for (std::int64_t row = 0; row < kRows; ++row) {
          const std::span<const float> x = row_of(g, row);
          const std::vector<double> want = test::layer_norm(x, g.weight, g.bias, kEps);
          const std::vector<double> bound = layer_norm_bound(x, g);
          for (std::size_t i = 0; i < x.size(); ++i) {
            EXPECT_NEAR(y[static_cast<std::size_t>(row * width) + i], want[i], bound[i])
                << width << " " << offset << " " << size << " " << row << " " << i;
          }
        }
      }
    }
  }
}

// Either norm may have a bias or none: without one nothing is added.
TEST_P(Norm, TakesAnyOfThemWithABiasAndWithout) {
  SerialQueue queue;
  for (const bool centred : {false, true}) {
    Given g = given(kRows, 77, centred);
    g.bias.clear();
    const std::vector<float> plain = run(GetParam(), g, queue);
    g.bias.assign(77, 0.0f);
    EXPECT_EQ(run(GetParam(), g, queue), plain);
    g.bias.assign(77, 1024.0f);
    const std::vector<float> moved = run(GetParam(), g, queue);
    for (std::size_t i = 0; i < plain.size(); ++i) {
      EXPECT_NEAR(moved[i], 1024.0f + plain[i], 1024 * 2 * kRounding) << i;
    }
  }
}

TEST_P(Norm, MayWriteWhereItReads) {
  SerialQueue queue;
  for (const bool centred : {false, true}) {
    Given g = given(5, 77, centred);
    const std::vector<float> want = run(GetParam(), g, queue);
    GetParam().run({.rows = 5, .width = 77, .eps = kEps, .centred = centred},
                   {.x = g.x.data(),
                    .weight = g.weight.data(),
                    .bias = centred ? g.bias.data() : nullptr,
                    .y = g.x.data()},
                   queue);
    EXPECT_TRUE(same_bits(g.x, want));
  }
}

TEST_P(Norm, ARowHasItsBitsWhateverIsBesideIt) {
  SerialQueue serial;
  ScatteringQueue scattering;
  for (const bool centred : {false, true}) {
    Given g = given(700, 99, centred);
    const std::vector<float> all = run(GetParam(), g, scattering);
    EXPECT_TRUE(same_bits(all, run(GetParam(), g, serial)));
    g.x.erase(g.x.begin(), g.x.end() - 99);
    EXPECT_TRUE(same_bits({all.end() - 99, all.end()}, run(GetParam(), g, serial)));
  }
}

TEST_P(Norm, ShowsWhatIsNoNumber) {
  SerialQueue queue;
  for (const bool centred : {false, true}) {
    Given g = given(2, 40, centred);
    g.weight.assign(40, 1.0f);
    g.x[3] = std::numeric_limits<float>::quiet_NaN();
    const std::vector<float> y = run(GetParam(), g, queue);
    for (std::size_t i = 0; i < 40; ++i) {
      EXPECT_TRUE(std::isnan(y[i])) << i;
      EXPECT_TRUE(std::isfinite(y[40 + i])) << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kernels, Norm, testing::ValuesIn(norm_kernels()), NameOfKernel());

// The same bits by any instructions.
TEST(NormKernels, AgreeToTheBit) {
  SerialQueue queue;
  const auto all = norm_kernels();
  for (const bool centred : {false, true}) {
    const Given g = given(3, 1003, centred);
    const std::vector<float> portable = run(all[all.size() - 2], g, queue);
    for (const NormKernel& kernel : all.first(all.size() - 2)) {
      if (!kernel.supports({.rows = 3, .width = 1003}, this_machine())) continue;
      EXPECT_TRUE(same_bits(run(kernel, g, queue), portable)) << kernel.name;
    }
  }
}

}  // namespace
}  // namespace instructblip::kernels
