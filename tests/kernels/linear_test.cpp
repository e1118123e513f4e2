#include "kernels/linear.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <ostream>

#include "kernels/numbers.h"
#include "kernels/reference/half.h"

namespace instructblip::kernels {

void PrintTo(const LinearKernel& kernel, std::ostream* out) { *out << kernel.name; }

namespace {

constexpr std::int64_t kSizes[] = {0, 1, 2, 3, 7, 15, 16, 17, 31, 33, 63, 64, 65, 127, 257};
constexpr DType kStored[] = {DType::f32, DType::f16, DType::bf16};

// Weights as they are stored, and what they are worth.
struct Stored {
  std::vector<std::uint16_t> halves;
  std::vector<float> values;
  const void* data() const {
    return halves.empty() ? static_cast<const void*>(values.data()) : halves.data();
  }
};

// The upper bits of each number's format; truncation will do for a test.
Stored stored(DType type, std::vector<float> values) {
  Stored result;
  for (float& value : values) {
    if (type == DType::f32) continue;
    auto bits = static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(value) >> 16);
    if (type == DType::f16) {
      int exponent = 0;
      const float fraction = std::frexp(std::fabs(value), &exponent);
      bits = value == 0.0f ? 0
                           : static_cast<std::uint16_t>((exponent + 14) << 10 |
                                                        (static_cast<int>(fraction * 2048) & 1023));
      if (value < 0.0f) bits |= 0x8000;
    }
    result.halves.push_back(bits);
    value = type == DType::f16 ? reference::from_f16(bits) : reference::from_bf16(bits);
  }
  result.values = std::move(values);
  return result;
}

struct Data {
  LinearProblem problem;
  std::vector<float> x, bias;
  Stored weights;

  explicit Data(const LinearProblem& p)
      : problem(p),
        x(numbers(p.batch * p.rows * p.inputs, 1)),
        bias(numbers(p.outputs, 2)),
        weights(stored(p.weights, numbers(p.batch * p.outputs * p.inputs, 3))) {}

  std::vector<float> run(const LinearKernel& kernel, Queue& queue, bool with_bias = false) const {
    std::vector<float> y(static_cast<std::size_t>(problem.batch * problem.rows * problem.outputs),
                         std::numeric_limits<float>::quiet_NaN());
    kernel.run(problem, {x.data(), weights.data(), with_bias ? bias.data() : nullptr, y.data()},
               queue);
    return y;
  }
};

class Linear : public testing::TestWithParam<LinearKernel> {
 protected:
  void SetUp() override {
    const Support support =
        GetParam().supports({.rows = 1, .inputs = 1, .outputs = 1}, this_machine());
    if (!support) GTEST_SKIP() << support.reason();
  }
};

void expect_close(const Data& data, const std::vector<float>& y, bool with_bias) {
  const auto& [batch, rows, inputs, outputs, type] = data.problem;
  for (std::int64_t i = 0; i < batch * rows * outputs; ++i) {
    const std::int64_t row = i / outputs;
    const std::int64_t weight = (row / rows * outputs + i % outputs) * inputs;
    double want = with_bias ? data.bias[static_cast<std::size_t>(i % outputs)] : 0.0;
    double size = std::fabs(want);
    for (std::int64_t k = 0; k < inputs; ++k) {
      const double term = static_cast<double>(data.x[static_cast<std::size_t>(row * inputs + k)]) *
                          data.weights.values[static_cast<std::size_t>(weight + k)];
      want += term;
      size += std::fabs(term);
    }
    const double bound = roundings(inputs + 2) * size + underflow(inputs);
    ASSERT_NEAR(y[static_cast<std::size_t>(i)], want, bound)
        << "element " << i << " of " << rows << " x " << inputs << " x " << outputs << " in "
        << name_of(type);
  }
}

TEST_P(Linear, IsTheProduct) {
  SerialQueue queue;
  for (const DType type : kStored) {
    for (const std::int64_t inputs : kSizes) {
      for (const std::int64_t outputs : {0, 1, 2, 9, 16, 17, 33}) {
        for (const std::int64_t rows : {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 13}) {
          const Data data({.rows = rows, .inputs = inputs, .outputs = outputs, .weights = type});
          expect_close(data, data.run(GetParam(), queue), false);
        }
      }
    }
    const Data tall({.rows = 65, .inputs = 127, .outputs = 63, .weights = type});
    expect_close(tall, tall.run(GetParam(), queue, true), true);
  }
}

TEST_P(Linear, TakesMatricesInPairs) {
  SerialQueue queue;
  for (const DType type : kStored) {
    for (const std::int64_t rows : {1, 3, 5, 14, 31}) {
      const Data data({.batch = 3, .rows = rows, .inputs = 33, .outputs = 18, .weights = type});
      expect_close(data, data.run(GetParam(), queue, true), true);
    }
  }
}

TEST_P(Linear, DoesNotMindHowTasksAreHandedOut) {
  SerialQueue serial;
  ScatteringQueue scattering;
  for (const std::int64_t rows : {6, 40}) {
    const Data data({.batch = 2, .rows = rows, .inputs = 70, .outputs = 131});
    EXPECT_TRUE(same_bits(data.run(GetParam(), serial), data.run(GetParam(), scattering)));
  }
}

TEST_P(Linear, ARowHasItsBitsInAnyBatch) {
  if (!GetParam().traits.row_invariant) GTEST_SKIP() << "promises no such thing";
  SerialQueue queue;
  constexpr std::int64_t kRows = 31;
  for (const DType type : kStored) {
    for (const std::int64_t inputs : {1, 16, 31, 203}) {
      Data data({.rows = kRows, .inputs = inputs, .outputs = 37, .weights = type});
      const std::vector<float> all = data.run(GetParam(), queue);
      for (std::int64_t first = 0; first < kRows; ++first) {
        Data some = data;
        some.problem.rows = first % 2 == 0 ? 1 : kRows - first;
        some.x.erase(some.x.begin(), some.x.begin() + first * inputs);
        const std::vector<float> y = some.run(GetParam(), queue);
        ASSERT_TRUE(same_bits(
            y, {all.begin() + first * 37, all.begin() + (first + some.problem.rows) * 37}));
      }
    }
  }
}

TEST_P(Linear, WidensEveryNumberOf16Bits) {
  SerialQueue queue;
  std::vector<std::uint16_t> all(65536);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint16_t>(i);
  const std::vector<float> one(5, 1.0f);  // rows enough that weights may be widened beforehand
  for (const DType type : {DType::f16, DType::bf16}) {
    for (const std::int64_t rows : {1, 5}) {
      std::vector<float> y(all.size() * static_cast<std::size_t>(rows));
      GetParam().run({.rows = rows, .inputs = 1, .outputs = 65536, .weights = type},
                     {one.data(), all.data(), nullptr, y.data()}, queue);
      for (std::size_t i = 0; i < all.size(); ++i) {
        const float want =
            type == DType::f16 ? reference::from_f16(all[i]) : reference::from_bf16(all[i]);
        if (std::isnan(want)) {
          ASSERT_TRUE(std::isnan(y[i])) << i;
        } else {
          ASSERT_EQ(y[i], want) << i;
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kernels, Linear, testing::ValuesIn(linear_kernels()), NameOfKernel());

// What runs in fixed order is one rule; only a processor without fused operations rounds more.
TEST(LinearTest, Avx512AndAvx2GiveTheSameBits) {
  SerialQueue queue;
  const Data data({.rows = 7, .inputs = 203, .outputs = 37, .weights = DType::f16});
  std::vector<std::vector<float>> results;
  for (const LinearKernel& kernel : linear_kernels()) {
    if (kernel.name.find("avx") == std::string_view::npos) continue;
    if (kernel.supports(data.problem, this_machine())) results.push_back(data.run(kernel, queue));
  }
  for (std::size_t i = 1; i < results.size(); ++i) {
    EXPECT_TRUE(same_bits(results[0], results[i]));
  }
}

}  // namespace
}  // namespace instructblip::kernels
