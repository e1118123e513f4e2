#include "kernels/cuda/grouped_product.h"

#include <gtest/gtest.h>

#include <cmath>
#include <span>
#include <type_traits>
#include <vector>

#include "emulator/half_numbers.h"
#include "emulator/running.h"
#include "support/operations.h"

namespace instructblip::kernels::cuda {
namespace {

using emulator::half_numbers;
using emulator::kRoundingOf;
using emulator::kUntouched;
using Indices = std::vector<std::int32_t>;

struct Options {
  std::int32_t inputs, outputs;
  bool normalises, activates, added;
};

// Rows of a group of its own weights, among rows of both.
template <class T>
struct Group {
  std::vector<T> weights, bias, norm_weight, norm_bias;
  Indices in_rows, out_rows;
  std::int32_t rows;

  Group(const Options& o, std::int32_t count, std::uint32_t seed)
      : weights(half_numbers<T>(std::int64_t{o.inputs} * o.outputs, seed)),
        bias(half_numbers<T>(o.outputs, seed + 1)),
        norm_weight(half_numbers<T>(o.inputs, seed + 2)),
        norm_bias(half_numbers<T>(o.inputs, seed + 3)),
        rows(count) {}
};

template <class T>
struct Data {
  Options options;
  Group<T> first, second;
  std::int32_t all;  // rows of x, and of y
  std::vector<T> x, residual;
  std::vector<T> out;  // what is normalised, then y

  Data(const Options& o, std::int32_t first_rows, std::int32_t second_rows)
      : options(o),
        first(o, first_rows, 10),
        second(o, second_rows, 20),
        all(first_rows + second_rows),
        x(half_numbers<T>(std::int64_t{all} * o.inputs, 1)),
        residual(half_numbers<T>(std::int64_t{all} * o.outputs, 2)),
        out(static_cast<std::size_t>(all * (o.outputs + o.inputs)), T{kUntouched}) {
    // Rows come from the end on, and go where the groups take turns as far as they both last.
    Indices places;
    for (std::int32_t i = 0; i < all; ++i)
      places.push_back((i * 2 + (i * 2 >= all ? 1 - all % 2 : 0)) % all);
    for (std::int32_t i = 0; i < all; ++i) {
      Group<T>& group = i < first_rows ? first : second;
      group.in_rows.push_back(all - 1 - i);
      group.out_rows.push_back(places[static_cast<std::size_t>(i)]);
    }
  }

  ProductGroup group(const Group<T>& g) {
    ProductGroup group;
    group.rows = g.rows;
    group.x = x.data();
    group.weights = g.weights.data();
    group.bias = options.added ? g.bias.data() : nullptr;
    group.residual = options.added ? residual.data() : nullptr;
    group.y = out.data() + all * options.inputs;
    group.in_rows = g.in_rows.data();
    group.out_rows = g.out_rows.data();
    group.norm_weight = g.norm_weight.data();
    group.norm_bias = g.norm_bias.data();
    group.normalised = out.data();
    return group;
  }

  void run() {
    const GroupedProductProblem problem{
        .element = std::is_same_v<T, dev::Half> ? Element::f16 : Element::bf16,
        .inputs = options.inputs,
        .outputs = options.outputs,
        .normalises = options.normalises,
        .eps = 1e-5f,
        .activates = options.activates};
    ASSERT_EQ(grouped_product_refuses(problem), nullptr);
    ProductGroup one = group(first), two = group(second);
    if (!options.normalises) {  // rows of x are then in order
      one.in_rows = two.in_rows = nullptr;
      two.x = x.data() + std::ptrdiff_t{first.rows} * options.inputs;
    }
    emulator::run_in_every_order(
        out, [&] { EXPECT_EQ(multiply_groups(problem, one, two, nullptr, true), 0); });
  }

  void expect_row(const Group<T>& g, std::int32_t i, std::int32_t number) const {
    const auto inputs = static_cast<std::size_t>(options.inputs);
    const std::int32_t from = options.normalises ? all - 1 - number : number;
    const std::int32_t to = g.out_rows[static_cast<std::size_t>(i)];
    std::vector<float> row = emulator::widened(
        std::vector<T>(x.begin() + from * options.inputs, x.begin() + (from + 1) * options.inputs));
    if (options.normalises) {
      const std::vector<double> want = test::layer_norm(row, emulator::widened(g.norm_weight),
                                                        emulator::widened(g.norm_bias), 1e-5);
      const T* got = out.data() + to * options.inputs;
      for (std::size_t k = 0; k < inputs; ++k) {
        row[k] = dev::widen(got[k]);  // what it has been rounded to is what is multiplied
        ASSERT_NEAR(row[k], want[k], kRoundingOf<T> * std::abs(want[k]) + 2e-5);
      }
    }
    for (std::int32_t o = 0; o < options.outputs; ++o) {
      double want = 0.0, size = 0.0;
      for (std::size_t k = 0; k < inputs; ++k) {
        const double one =
            double{row[k]} * dev::widen(g.weights[static_cast<std::size_t>(o) * inputs + k]);
        want += one;
        size += std::abs(one);
      }
      const auto at = static_cast<std::size_t>(to * options.outputs + o);
      const T got = out[static_cast<std::size_t>(all * options.inputs) + at];
      if (options.added) want += dev::widen(g.bias[static_cast<std::size_t>(o)]);
      if (options.activates) want = test::gelu(want);
      if (options.added) want += dev::widen(residual[at]);
      ASSERT_NEAR(dev::widen(got), want,
                  kRoundingOf<T> * std::abs(want) +
                      1.2 * roundings(options.inputs + 10) * (size + 16) + 1e-6)
          << "row " << to << ", " << o;
    }
  }

  void expect_right() const {
    for (std::int32_t i = 0; i < first.rows; ++i) expect_row(first, i, i);
    for (std::int32_t i = 0; i < second.rows; ++i) expect_row(second, i, first.rows + i);
    for (std::size_t i = 0;
         !options.normalises && i < static_cast<std::size_t>(all * options.inputs); ++i) {
      ASSERT_EQ(out[i].bits, kUntouched);
    }
  }
};

template <class T>
void expect_groups(const Options& options, std::int32_t first, std::int32_t second) {
  Data<T> data(options, first, second);
  data.run();
  data.expect_right();
}

TEST(GroupedProductTest, AgreesWithDoublePrecision) {
  expect_groups<dev::Half>({8, 1, false, false, false}, 1, 0);
  expect_groups<dev::Half>({768, 40, true, false, true}, 3, 2);
  expect_groups<dev::Bfloat>({264, 33, true, true, true}, 33, 5);
  expect_groups<dev::Half>({1024, 17, true, false, true}, 4, 40);
  expect_groups<dev::Bfloat>({1208, 24, false, true, false}, 35, 0);
  expect_groups<dev::Half>({520, 16, false, false, true}, 0, 7);
}

TEST(GroupedProductTest, RefusesWhatItCannotDo) {
  EXPECT_STREQ(grouped_product_refuses({.inputs = 12, .outputs = 1}),
               "rows are as wide as a multiple of 8");
  EXPECT_STREQ(grouped_product_refuses({.inputs = 1032, .outputs = 1, .normalises = true}),
               "rows that are normalised are at most 1024 wide");
}

}  // namespace
}  // namespace instructblip::kernels::cuda
