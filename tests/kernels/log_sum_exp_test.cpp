#include "kernels/log_sum_exp.h"

#include <gtest/gtest.h>

#include <limits>
#include <ostream>

#include "kernels/numbers.h"

namespace instructblip::kernels {

void PrintTo(const LogSumExpKernel& kernel, std::ostream* out) { *out << kernel.name; }

namespace {

class LogSumExp : public testing::TestWithParam<LogSumExpKernel> {
 protected:
  void SetUp() override {
    const Support support = GetParam().supports({.rows = 1, .size = 1}, this_machine());
    if (!support) GTEST_SKIP() << support.reason();
  }
};

struct Found {
  std::vector<float> max, log_sum;
};

Found run(const LogSumExpKernel& kernel, const std::vector<float>& x, std::int64_t rows,
          Queue& queue) {
  Found found{std::vector<float>(static_cast<std::size_t>(rows)),
              std::vector<float>(static_cast<std::size_t>(rows))};
  const LogSumExpProblem problem{.rows = rows, .size = static_cast<std::int64_t>(x.size()) / rows};
  kernel.run(problem, {x.data(), found.max.data(), found.log_sum.data()}, queue);
  return found;
}

// A term is off by the rounding of x - max and one unit of exp in the last place, the sum by its
// additions, the logarithm by another unit. log(1 + e) is at most e.
void expect_close(const float* x, std::int64_t size, float max, float log_sum) {
  const float largest = *std::max_element(x, x + size);
  double sum = 0.0, off = 0.0;
  for (std::int64_t i = 0; i < size; ++i) {
    const double term = std::exp(static_cast<double>(x[i]) - largest);
    sum += term;
    off += term * (kRounding * (static_cast<double>(largest) - x[i]) + 3 * kRounding) + 0x1p-126;
  }
  EXPECT_EQ(max, largest);
  const double bound = off / sum + roundings(size) + 2 * kRounding * (std::log(sum) + 1.0);
  EXPECT_NEAR(log_sum, std::log(sum), bound) << size;
}

TEST_P(LogSumExp, IsTheLogarithmOfTheSum) {
  SerialQueue queue;
  for (const std::int64_t size : {1, 2, 3, 7, 15, 16, 17, 31, 33, 63, 64, 65, 127, 257, 5000}) {
    for (const float scale : {1e-4f, 1.0f, 20.0f, 1e20f}) {
      std::vector<float> x = numbers(3 * size, 4);
      for (float& value : x) value *= scale;
      const Found found = run(GetParam(), x, 3, queue);
      for (std::int64_t row = 0; row < 3; ++row) {
        const auto at = static_cast<std::size_t>(row);
        expect_close(x.data() + row * size, size, found.max[at], found.log_sum[at]);
      }
    }
  }
}

TEST_P(LogSumExp, LeavesOutWhatIsMinusInfinity) {
  SerialQueue queue;
  std::vector<float> x(37, -std::numeric_limits<float>::infinity());
  x[5] = x[36] = 2.0f;
  const Found found = run(GetParam(), x, 1, queue);
  EXPECT_EQ(found.max[0], 2.0f);
  EXPECT_NEAR(found.log_sum[0], std::log(2.0), 1e-7);
}

TEST_P(LogSumExp, DoesNotMindHowTasksAreHandedOut) {
  SerialQueue serial;
  ScatteringQueue scattering;
  const std::vector<float> x = numbers(11 * 333, 5);
  EXPECT_TRUE(same_bits(run(GetParam(), x, 11, serial).log_sum,
                        run(GetParam(), x, 11, scattering).log_sum));
}

INSTANTIATE_TEST_SUITE_P(Kernels, LogSumExp, testing::ValuesIn(log_sum_exp_kernels()),
                         NameOfKernel());

}  // namespace
}  // namespace instructblip::kernels
