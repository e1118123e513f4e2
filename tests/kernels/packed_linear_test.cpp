#include "kernels/packed_linear.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <ostream>
#include <tuple>
#include <utility>

#include "kernels/norm.h"
#include "kernels/numbers.h"
#include "kernels/packed_matrix.h"
#include "kernels/reference/half.h"
#include "support/operations.h"

namespace instructblip::kernels {

void PrintTo(const PackedLinearKernel& kernel, std::ostream* out) { *out << kernel.name; }

namespace {

struct Data {
  PackedLinearProblem problem;
  std::vector<float> x, bias, plus, norm = {}, norm_bias = {};
  Matrix weights;

  explicit Data(const PackedLinearProblem& p)
      : problem(p),
        x(numbers(p.rows * p.inputs, 1)),
        bias(numbers(p.outputs, 2)),
        plus(numbers(p.rows * p.outputs, 3)),
        weights(p.weights, p.outputs, p.inputs, 4) {}

  std::vector<float> run(const PackedLinearKernel& kernel, Queue& queue, bool more = false) const {
    const std::byte* const matrix = problem.in_rows
                                        ? reinterpret_cast<const std::byte*>(weights.stored.data())
                                        : weights.panels.data();
    std::vector<float> y(static_cast<std::size_t>(problem.rows * problem.outputs),
                         std::numeric_limits<float>::quiet_NaN());
    kernel.run(problem,
               {.x = x.data(),
                .weights = matrix,
                .bias = more ? bias.data() : nullptr,
                .plus = more ? plus.data() : nullptr,
                .y = y.data(),
                .norm = norm.empty() ? nullptr : norm.data(),
                .norm_bias = norm_bias.empty() ? nullptr : norm_bias.data()},
               queue);
    return y;
  }
};

class PackedLinear : public testing::TestWithParam<PackedLinearKernel> {
 protected:
  void SetUp() override {
    const Support support =
        GetParam().supports({.rows = 1, .inputs = 1, .outputs = 1}, this_machine());
    if (!support && !support.takes_other_sizes()) GTEST_SKIP() << support.reason();
  }
};

bool rounds_rows(const PackedLinearKernel& kernel) { return kernel.name.starts_with("bytes_"); }
bool multiplies_pairs(const PackedLinearKernel& kernel) { return kernel.name.starts_with("bf16_"); }

std::vector<Format> formats_of(const PackedLinearKernel& kernel) {
  std::vector<Format> formats;
  for (const Format format : kFormats) {
    if (kernel.supports({.weights = format}, this_machine())) formats.push_back(format);
  }
  return formats;
}

Format sixteen_bits_of(const PackedLinearKernel& kernel) {
  return multiplies_pairs(kernel) ? Format::bf16 : Format::f16;
}

// Eight bits of the fraction, the first one included, ties to even.
double to_bf16(double x) {
  int exponent = 0;
  const double fraction = std::frexp(x, &exponent);
  return std::ldexp(std::nearbyint(std::ldexp(fraction, 8)), exponent - 8);
}

// What the largest of 32 inputs becomes.
double most_of(const PackedLinearKernel& kernel, Format format) {
  return kernel.name == "bytes_avx2" && format == Format::w8 ? 32767 : 127;
}

// What 32 inputs of a row that are rounded are off at most, for each of them.
double off_in_bytes(const Data& data, std::int64_t row, std::int64_t input, double most) {
  const std::int64_t begin = row * data.problem.inputs;
  const std::int64_t first = input / 32 * 32, last = std::min(first + 32, data.problem.inputs);
  float largest = 0.0f;
  for (std::int64_t k = first; k < last; ++k) {
    largest = std::max(largest, std::fabs(data.x[static_cast<std::size_t>(begin + k)]));
  }
  return largest / most * 0.5 * (1 + most * 0x1p-22);
}

void expect_close(const PackedLinearKernel& kernel, const Data& data, const std::vector<float>& y,
                  bool more) {
  const auto [rows, inputs, outputs, format] = std::tuple(
      data.problem.rows, data.problem.inputs, data.problem.outputs, data.problem.weights);
  const bool rounded = rounds_rows(kernel) && (format == Format::w8 || format == Format::w4);
  const bool pairs = multiplies_pairs(kernel);
  for (std::int64_t i = 0; i < rows * outputs; ++i) {
    const std::int64_t row = i / outputs, output = i % outputs;
    double want = 0.0;
    if (more) {
      want += static_cast<double>(data.bias[static_cast<std::size_t>(output)]) +
              data.plus[static_cast<std::size_t>(i)];
    }
    double size = std::fabs(want), off = 0.0;
    if (more) size += std::fabs(data.bias[static_cast<std::size_t>(output)]);
    for (std::int64_t k = 0; k < inputs; ++k) {
      const double x = data.x[static_cast<std::size_t>(row * inputs + k)];
      const double term = (pairs ? to_bf16(x) : x) *
                          data.weights.values[static_cast<std::size_t>(output * inputs + k)];
      want += term;
      size += std::fabs(term);
      if (!rounded) continue;
      off += off_in_bytes(data, row, k, most_of(kernel, format)) *
             std::fabs(data.weights.values[static_cast<std::size_t>(output * inputs + k)]);
    }
    // The product, the additions, the scale of w8 and its own rounding, the bias and the residual.
    const double bound = off + roundings(inputs + 8) * (size + off) + underflow(inputs);
    ASSERT_NEAR(y[static_cast<std::size_t>(i)], want, bound)
        << "element " << i << " of " << rows << " x " << inputs << " x " << outputs << " in "
        << name_of(format);
  }
}

TEST_P(PackedLinear, IsTheProduct) {
  SerialQueue queue;
  for (const Format format : formats_of(GetParam())) {
    for (const std::int64_t inputs : {0, 1, 7, 8, 9, 31, 33, 64, 257}) {
      for (const std::int64_t outputs : {0, 1, 15, 16, 17, 33, 150}) {
        for (const std::int64_t rows : {0, 1, 2, 3, 5, 8, 9, 26}) {
          const Data data({rows, inputs, outputs, format});
          expect_close(GetParam(), data, data.run(GetParam(), queue), false);
        }
      }
    }
  }
}

TEST_P(PackedLinear, IsTheProductOfTallMatricesToo) {
  SerialQueue queue;
  for (const Format format : formats_of(GetParam())) {
    for (const std::int64_t rows : {6, 7, 10, 12, 13, 24, 25, 37}) {
      const Data data({rows, 1100, 35, format});  // blocks of inputs, the last one not whole
      expect_close(GetParam(), data, data.run(GetParam(), queue, true), true);
    }
    if (multiplies_pairs(GetParam())) {  // whose blocks of inputs are longer
      const Data data({.rows = 14, .inputs = 3101, .outputs = 40, .weights = format});
      expect_close(GetParam(), data, data.run(GetParam(), queue, true), true);
    }
    const Data data({.rows = 301, .inputs = 530, .outputs = 70, .weights = format});
    expect_close(GetParam(), data, data.run(GetParam(), queue, true), true);  // blocks of rows too
  }
}

double activated(Activation activation, double x) {
  switch (activation) {
    case Activation::none:
      break;
    case Activation::relu:
      return test::relu(x);
    case Activation::gelu:
      return test::gelu(x);
    case Activation::gelu_new:
      return test::gelu_new(x);
    case Activation::quick_gelu:
      return test::quick_gelu(x);
    case Activation::silu:
      return test::silu(x);
  }
  return x;
}

// A result of the product itself, and how far off it may be.
struct Near {
  double value, off;
};

// The slope of no activation is above 1.2, and none rounds by more than a few units in the last
// place of its argument.
Near activated(Activation activation, const Near& x) {
  if (activation == Activation::none) return x;
  return {activated(activation, x.value),
          1.2 * x.off + 8 * kRounding * (std::fabs(x.value) + x.off)};
}

// What a kernel makes of a product whose results it has given to `activation`, and, where it is
// gated, multiplied, held against the same of the results that it gives alone.
void expect_activated(const PackedLinearKernel& kernel, Data data) {
  SerialQueue queue;
  PackedLinearProblem& p = data.problem;
  const PackedLinearProblem asked = p;
  p.activation = Activation::none;
  p.gated = false;
  const std::vector<float> plus = std::exchange(data.plus, std::vector<float>(data.plus.size()));
  const std::vector<float> alone = data.run(kernel, queue, true);
  p = asked;
  data.plus = plus;
  const std::vector<float> y = data.run(kernel, queue, true);
  const auto at = [&](std::int64_t row, std::int64_t output) -> Near {
    const double value = alone[static_cast<std::size_t>(row * p.outputs + output)];
    return {value, 0};
  };
  for (std::int64_t i = 0; i < p.rows * p.results(); ++i) {
    const std::int64_t row = i / p.results(), output = i % p.results();
    Near want = activated(p.activation, at(row, output));
    if (p.gated) {
      const double times = at(row, p.results() + output).value;
      want = {want.value * times, want.off * std::fabs(times)};
      want.off += roundings(1) * std::fabs(want.value);
    }
    const double added = plus[static_cast<std::size_t>(i)];
    const double size = std::fabs(want.value) + want.off + std::fabs(added);
    ASSERT_NEAR(y[static_cast<std::size_t>(i)], want.value + added,
                want.off + roundings(2) * size + underflow(1))
        << "element " << i << ", activation " << static_cast<int>(p.activation) << " in "
        << name_of(p.weights) << ", rows " << p.rows << (p.gated ? ", gated" : "");
  }
}

constexpr Activation kActivations[] = {Activation::none,       Activation::relu,
                                       Activation::gelu,       Activation::gelu_new,
                                       Activation::quick_gelu, Activation::silu};

TEST_P(PackedLinear, AppliesAnActivation) {
  for (const std::int64_t rows : {1, 5, 30, 150}) {
    for (const Activation activation : kActivations) {
      for (const bool gated : {false, true}) {
        expect_activated(GetParam(), Data({.rows = rows,
                                           .inputs = 70,
                                           .outputs = gated ? 160 : 37,
                                           .weights = sixteen_bits_of(GetParam()),
                                           .activation = activation,
                                           .gated = gated}));
      }
    }
  }
}

TEST_P(PackedLinear, GatesInEveryFormat) {
  for (const Format format : formats_of(GetParam())) {
    for (const std::int64_t rows : {2, 8, 9, 24, 26}) {
      for (const std::int64_t inputs : {33, 1100, 1777}) {
        if (inputs > 1100 && !multiplies_pairs(GetParam())) continue;  // whose blocks are longer
        expect_activated(GetParam(), Data({.rows = rows,
                                           .inputs = inputs,
                                           .outputs = 96,
                                           .weights = format,
                                           .activation = Activation::silu,
                                           .gated = true}));
      }
    }
  }
}

TEST_P(PackedLinear, AddsToAResidualInItsPlace) {
  SerialQueue queue;
  for (const std::int64_t rows : {5, 30}) {
    const Data data(
        {.rows = rows, .inputs = 700, .outputs = 21, .weights = sixteen_bits_of(GetParam())});
    std::vector<float> y = data.plus;
    GetParam().run(
        data.problem,
        {data.x.data(), data.weights.panels.data(), data.bias.data(), y.data(), y.data()}, queue);
    EXPECT_TRUE(same_bits(y, data.run(GetParam(), queue, true)));
  }
}

TEST_P(PackedLinear, DoesNotMindHowTasksAreHandedOut) {
  SerialQueue serial;
  ScatteringQueue scattering;
  for (const Format format : formats_of(GetParam())) {
    // A thread takes the groups of panels of so many rows in two parts.
    for (const std::int64_t rows : {1, 6, 30, 288}) {
      const bool gated = rows == 288;
      const Data data({.rows = rows,
                       .inputs = 570,
                       .outputs = gated ? 416 : 331,
                       .weights = format,
                       .gated = gated});
      EXPECT_TRUE(same_bits(data.run(GetParam(), serial), data.run(GetParam(), scattering)))
          << name_of(format) << ", rows " << rows;
    }
  }
}

TEST_P(PackedLinear, ARowHasItsBitsInAnyBatch) {
  if (!GetParam().traits.row_invariant) GTEST_SKIP() << "promises no such thing";
  SerialQueue queue;
  for (const Format format : formats_of(GetParam())) {
    // Blocks of inputs, the last one not whole, for kernels of longer blocks too.
    const std::int64_t inputs = multiplies_pairs(GetParam()) ? 1777 : 777, outputs = 150;
    const Data all({.rows = 150, .inputs = inputs, .outputs = outputs, .weights = format});
    const std::vector<float> whole = all.run(GetParam(), queue);
    for (const auto& [first, rows] :
         {std::pair{0, 1}, {3, 1}, {4, 5}, {10, 8}, {13, 12}, {74, 3}, {100, 50}}) {
      Data some = all;
      some.problem.rows = rows;
      some.x.erase(some.x.begin(), some.x.begin() + first * inputs);
      const std::vector<float> y = some.run(GetParam(), queue);
      ASSERT_TRUE(
          same_bits(y, {whole.begin() + first * outputs, whole.begin() + (first + rows) * outputs}))
          << name_of(format) << ", rows " << first << " and " << rows - 1 << " behind it";
    }
  }
}

// What lies row by row is the same matrix: no shape of it gives another bit than its panels do.
TEST_P(PackedLinear, TakesAMatrixAsAFileHasIt) {
  if (!GetParam().supports({.weights = Format::f32, .in_rows = true}, this_machine())) {
    GTEST_SKIP() << "takes other weights";
  }
  SerialQueue queue;
  const auto expect_the_same = [&](const PackedLinearProblem& problem) {
    Data data(problem);
    const std::vector<float> want = data.run(GetParam(), queue, true);
    data.problem.in_rows = true;
    ASSERT_TRUE(same_bits(data.run(GetParam(), queue, true), want))
        << problem.rows << " x " << problem.inputs << " x " << problem.outputs
        << (problem.gated ? ", gated" : "");
  };
  for (const std::int64_t rows : {0, 1, 5, 9, 30}) {
    for (const std::int64_t inputs : {0, 1, 7, 16, 33, 255, 256, 259, 530}) {
      for (const std::int64_t outputs : {0, 1, 15, 16, 17, 33, 300}) {
        expect_the_same({.rows = rows, .inputs = inputs, .outputs = outputs});
      }
      expect_the_same({.rows = rows,
                       .inputs = inputs,
                       .outputs = 96,
                       .activation = Activation::silu,
                       .gated = true});
    }
  }
  expect_the_same({.rows = 301, .inputs = 530, .outputs = 70, .activation = Activation::gelu});
}

TEST_P(PackedLinear, WidensEveryNumberOf16Bits) {
  SerialQueue queue;
  std::vector<std::uint16_t> all(65536);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint16_t>(i);
  std::vector<std::byte> panels(all.size() * sizeof(std::uint16_t));
  for (const Format format : {Format::f16, Format::bf16}) {
    if (!GetParam().supports({.weights = format}, this_machine())) continue;
    for (std::size_t first = 0; first < all.size(); first += kRowsOfPanel) {
      pack_panel(format, {all.data() + first, kRowsOfPanel, 1},
                 panels.data() + first * sizeof(std::uint16_t));
    }
    for (const std::int64_t rows : {1, 30}) {  // as many as have weights widened beforehand
      const std::vector<float> ones(static_cast<std::size_t>(rows), 1.0f);
      std::vector<float> y(all.size() * ones.size());
      GetParam().run({.rows = rows, .inputs = 1, .outputs = 65536, .weights = format},
                     {ones.data(), panels.data(), nullptr, nullptr, y.data()}, queue);
      for (std::size_t i = 0; i < all.size(); ++i) {
        const float want =
            format == Format::f16 ? reference::from_f16(all[i]) : reference::from_bf16(all[i]);
        if (std::isnan(want)) {
          ASSERT_TRUE(std::isnan(y[i])) << i;
        } else if (multiplies_pairs(GetParam()) && std::fabs(want) < 0x1p-126f) {
          ASSERT_TRUE(y[i] == want || y[i] == 0.0f) << i;  // a processor may take it for zero
        } else {
          ASSERT_EQ(y[i], want) << i;
        }
      }
    }
  }
}

// The bits of the norm's own kernel, and then of the product.
TEST_P(PackedLinear, NormalisesTheRowsThatItReads) {
  SerialQueue serial;
  ScatteringQueue scattering;
  const auto norms = norm_kernels();
  const bool plain = GetParam().name == "reference";
  const NormKernel& norm = plain ? norms.back() : norms[norms.size() - 2];
  const auto expect_the_same = [&](const PackedLinearProblem& problem) {
    Data normed(problem), data(problem);
    normed.norm = numbers(problem.inputs, 5);
    const bool biased = problem.centred && problem.inputs != 33;
    if (biased) normed.norm_bias = numbers(problem.inputs, 6);
    norm.run({problem.rows, problem.inputs, problem.eps, problem.centred},
             {normed.x.data(), normed.norm.data(), biased ? normed.norm_bias.data() : nullptr,
              data.x.data()},
             serial);
    ASSERT_TRUE(
        same_bits(normed.run(GetParam(), scattering, true), data.run(GetParam(), serial, true)))
        << name_of(problem.weights) << ", " << problem.rows << " x " << problem.inputs
        << (problem.gated ? ", gated" : "") << (problem.in_rows ? ", in rows" : "");
  };
  for (const Format format : formats_of(GetParam())) {
    for (const std::int64_t rows : {1, 2, 8, 9, 33}) {
      for (const std::int64_t inputs : {1, 15, 33, 64, 1777}) {
        PackedLinearProblem problem{
            .rows = rows, .inputs = inputs, .outputs = 40, .weights = format, .eps = 1e-5f};
        for (const bool centred : {false, true}) {
          problem.centred = centred;
          problem.in_rows = false;
          expect_the_same(problem);
          problem.in_rows = true;
          if (GetParam().supports(problem, this_machine())) expect_the_same(problem);
        }
      }
      expect_the_same({.rows = rows,
                       .inputs = 70,
                       .outputs = 96,
                       .weights = format,
                       .activation = Activation::silu,
                       .gated = true,
                       .eps = 1e-5f,
                       .centred = rows % 2 == 0});
    }
  }
  for (const bool centred : {false, true}) {
    expect_the_same({.rows = 301,
                     .inputs = 530,
                     .outputs = 70,
                     .weights = sixteen_bits_of(GetParam()),
                     .eps = 1e-5f,
                     .centred = centred});
  }
}

INSTANTIATE_TEST_SUITE_P(Kernels, PackedLinear, testing::ValuesIn(packed_linear_kernels()),
                         NameOfKernel());

TEST(PackedLinearTest, Avx512AndAvx2GiveTheSameBits) {
  SerialQueue queue;
  for (const Format format : kFormats) {
    for (const std::int64_t rows : {1, 7, 30}) {
      const Data data({.rows = rows, .inputs = 1203, .outputs = 37, .weights = format});
      std::vector<std::vector<float>> results;
      for (const PackedLinearKernel& kernel : packed_linear_kernels()) {
        if (kernel.name.find("avx") == std::string_view::npos) continue;
        if (rounds_rows(kernel) || multiplies_pairs(kernel)) continue;
        if (!kernel.supports(data.problem, this_machine())) continue;
        results.push_back(data.run(kernel, queue));
      }
      for (std::size_t i = 1; i < results.size(); ++i) {
        EXPECT_TRUE(same_bits(results[0], results[i])) << name_of(format) << ", rows " << rows;
      }
    }
  }
}

TEST(PackedLinearTest, KernelsWithVnniAgreeToTheBitWithPlainLoops) {
  SerialQueue queue;
  const auto all = packed_linear_kernels();
  const auto plain = std::ranges::find(all, "bytes_portable", &PackedLinearKernel::name);
  ASSERT_NE(plain, all.end());
  for (const Format format : {Format::w8, Format::w4}) {
    for (const std::int64_t rows : {1, 7, 30}) {
      const Data data({.rows = rows, .inputs = 1203, .outputs = 37, .weights = format});
      const std::vector<float> expected = data.run(*plain, queue);
      for (const PackedLinearKernel& kernel : all) {
        if (kernel.name.find("vnni") == std::string_view::npos) continue;
        if (!kernel.supports(data.problem, this_machine())) continue;
        EXPECT_TRUE(same_bits(expected, data.run(kernel, queue))) << kernel.name << ", " << rows;
      }
    }
  }
}

// Calls `check(kernel, data, bad)` for each kernel of weights of whole numbers, several numbers of
// rows, and each number that is none.
template <class Check>
void with_what_is_no_number(const Check& check) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const PackedLinearKernel& kernel : packed_linear_kernels()) {
    for (const Format format : {Format::w8, Format::w4}) {
      for (const std::int64_t rows : {1, 3, 20, 30}) {
        for (const float bad : {std::numeric_limits<float>::quiet_NaN(), kInfinity, -kInfinity}) {
          Data data({.rows = rows, .inputs = 70, .outputs = 20, .weights = format});
          if (kernel.supports(data.problem, this_machine())) check(kernel, data, bad);
        }
      }
    }
  }
}

TEST(PackedLinearTest, WhatIsNoNumberDoesNotBecomeOne) {
  SerialQueue queue;
  with_what_is_no_number([&](const PackedLinearKernel& kernel, const Data& plain, float bad) {
    for (const std::size_t at : {0, 33, 69}) {
      Data data = plain;
      const auto bad_row = static_cast<std::size_t>(data.problem.rows / 2);
      data.x[bad_row * 70 + at] = bad;
      const std::vector<float> y = data.run(kernel, queue);
      for (std::size_t i = 0; i < y.size(); ++i) {
        EXPECT_EQ(std::isfinite(y[i]), i / 20 != bad_row) << kernel.name << ", element " << i;
      }
    }
  });
}

TEST(PackedLinearTest, WeightsThatAreNoNumbersDoNotBecomeSome) {
  SerialQueue queue;
  with_what_is_no_number([&](const PackedLinearKernel& kernel, Data& data, float bad) {
    constexpr std::size_t kBadOutput = 17;
    data.weights.stored[kBadOutput * 70 + 40] = bad;
    data.weights.pack(data.problem.weights);
    const std::vector<float> y = data.run(kernel, queue);
    for (std::size_t i = 0; i < y.size(); ++i) {
      EXPECT_EQ(std::isnan(y[i]), i % 20 == kBadOutput) << kernel.name << ", element " << i;
    }
  });
}

}  // namespace
}  // namespace instructblip::kernels
