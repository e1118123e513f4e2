#include "nn/linear.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <tuple>

#include "instructblip/error.h"
#include "kernels/cpu/supports.h"
#include "kernels/linear.h"
#include "unit/nn/tensors.h"

namespace instructblip {
namespace {

// Wider than one tile of the half-precision product, and not a multiple of it.
TEST(Linear, HalfWeightsGiveTheProductOfTheirWidenedValues) {
  const nn::Runtime runtime;
  const at::Tensor weight = wave({1500, 700}, 0.3), bias = wave({1500}, 0.4),
                   x = wave({1, 3, 700}, 0.5);
  for (const auto type : {at::kHalf, at::kBFloat16}) {
    const at::Tensor held = weight.to(type);
    for (const at::Tensor& b : {bias, at::Tensor()}) {
      const at::Tensor got = nn::Linear(runtime, nn::Matrix(held), b)(x);
      const at::Tensor want = nn::Linear(runtime, nn::Matrix(held.to(at::kFloat)), b)(x);
      ASSERT_EQ(got.sizes(), want.sizes());
      EXPECT_LT(largest_difference(got, want), 2e-5);
    }
  }
}

// Several weights that take the same input, in blocks of their own or as rows of one.
TEST(Linear, StackedWeightsGiveTheProductsOfEach) {
  const nn::Runtime runtime;
  const at::Tensor first = wave({5, 8}, 0.3), second = wave({3, 8}, 0.4), bias = wave({8}, 0.6);
  const at::Tensor x = wave({2, 7, 8}, 0.5);
  const nn::Linear blocks(runtime, nn::Matrix(std::vector<at::Tensor>{first, second}), bias);
  const nn::Linear whole(runtime, nn::Matrix(at::cat({first, second})), bias);
  const std::vector<std::int64_t> rows = {5, 3};
  for (const nn::Linear& linear : {blocks, whole}) {
    EXPECT_EQ(linear.rows(), 8);
    const std::vector<at::Tensor> each = linear.split(x, rows);
    ASSERT_EQ(each.size(), 2U);
    EXPECT_LT(largest_difference(each[0], at::linear(x, first, bias.narrow(0, 0, 5))), 1e-6);
    EXPECT_LT(largest_difference(each[1], at::linear(x, second, bias.narrow(0, 5, 3))), 1e-6);
    EXPECT_LT(largest_difference(linear(x), at::cat(each, -1)), 1e-6);
    EXPECT_LT(largest_difference(linear(x, x), linear(x) + x), 1e-6);
    // Rows across the border of two blocks.
    EXPECT_LT(largest_difference(linear.some_rows(4, 3)(x), linear(x).narrow(-1, 4, 3)), 1e-6);
  }
}

nn::Matrix packed(const nn::Runtime& runtime, nn::Format format, std::vector<at::Tensor> blocks) {
  for (at::Tensor& block : blocks) block = block.to(nn::packed_from(format));
  return nn::Matrix(std::make_shared<const nn::PackedMatrix>(runtime, format, std::move(blocks)));
}

// How far off products of these sizes may be. Kernels may round 40 inputs below 1 to 127ths of the
// largest, and multiply them with weights below 1.
double off_with(nn::Format format) {
  return format == nn::Format::w8 || format == nn::Format::w4 ? 40 * 0.5 / 127 : 2e-5;
}

// Blocks that end where a panel does, and blocks that do not, at every format and number of rows.
class PackedLinearLayer
    : public testing::TestWithParam<std::tuple<nn::Format, std::int64_t, std::int64_t>> {};

TEST_P(PackedLinearLayer, GivesTheProductsOfWhatItHolds) {
  const auto [format, first_rows, rows] = GetParam();
  const nn::Runtime runtime(2, nn::Numerics::fast);
  const at::Tensor first = wave({first_rows, 40}, 0.3), second = wave({21, 40}, 0.4);
  const at::Tensor bias = wave({first_rows + 21}, 0.6);
  // Numbers of bfloat16, to which kernels may round the inputs of such weights.
  const at::Tensor numbers = wave({2, rows, 40}, 0.5),
                   x = format == nn::Format::bf16 ? numbers.to(at::kBFloat16).to(at::kFloat)
                                                  : numbers;
  const nn::Matrix matrix = packed(runtime, format, {first, second});
  EXPECT_EQ(matrix.format(), format);
  EXPECT_EQ(matrix.rows(), first_rows + 21);
  const nn::Linear linear(runtime, matrix, bias);
  const double off = off_with(format);
  const at::Tensor want = at::linear(x, matrix.values(), bias);
  const at::Tensor plus = wave({2, rows, first_rows + 21}, 0.7);
  EXPECT_LT(largest_difference(linear(x), want), off);
  EXPECT_LT(largest_difference(linear(x, plus), want + plus), off);
  const std::vector<at::Tensor> each = linear.split(x, std::array{first_rows, std::int64_t{21}});
  ASSERT_EQ(each.size(), 2U);
  EXPECT_LT(largest_difference(each[1], want.narrow(-1, first_rows, 21)), off);
  for (const std::int64_t begin : {std::int64_t{0}, std::int64_t{3}, first_rows}) {
    const nn::Linear some = linear.some_rows(begin, 17);
    EXPECT_EQ(some.rows(), 17);
    EXPECT_LT(largest_difference(some(x), want.narrow(-1, begin, 17)), off);
    EXPECT_LT(largest_difference(some(x, plus.narrow(-1, begin, 17)),
                                 (want + plus).narrow(-1, begin, 17)),
              off);
  }
  EXPECT_THROW(matrix.some_rows(1, first_rows + 21), Error);
}

INSTANTIATE_TEST_SUITE_P(Formats, PackedLinearLayer,
                         testing::Combine(testing::Values(nn::Format::f32, nn::Format::f16,
                                                          nn::Format::bf16, nn::Format::w8,
                                                          nn::Format::w4),
                                          testing::Values(16, 19), testing::Values(1, 4, 15)));

// Where the processor multiplies bf16, and only for whoever asked for bf16.
TEST(Linear, RoundsRowsToBf16WhereTheRuntimeMay) {
  const nn::Runtime exact(2, nn::Numerics::fast), rounding(2, nn::Numerics::fast, {}, true);
  const bool rounds = bool{kernels::cpu::has_avx512_bf16(kernels::this_machine())};
  const at::Tensor weight = wave({37, 75}, 0.3).to(at::kBFloat16), values = weight.to(at::kFloat);
  for (const std::int64_t rows : {1, 8, 9, 40}) {
    const at::Tensor x = wave({1, rows, 75}, 0.5);
    const at::Tensor want = at::linear(x, values);
    const at::Tensor nearest = at::linear(x.to(at::kBFloat16).to(at::kFloat), values);
    ASSERT_GT(largest_difference(want, nearest), 1e-3);
    const auto product = [&](const nn::Runtime& runtime) {
      return nn::Linear(runtime, packed(runtime, nn::Format::bf16, {weight}))(x);
    };
    EXPECT_LT(largest_difference(product(exact), want), 2e-5) << rows;
    EXPECT_LT(largest_difference(product(rounding), rounds ? nearest : want), 2e-5) << rows;
  }
}

// Few rows by one kernel, more by another, which gives the bits of packed weights.
TEST(Linear, FastNumericsMultiplyFloat32ThatIsNotPacked) {
  const nn::Runtime runtime(2, nn::Numerics::fast);
  const std::int64_t few =
      runtime.kernel(runtime.tables().linear, kernels::LinearProblem{.rows = 1}).few_rows;
  const at::Tensor weight = wave({37, 75}, 0.3), bias = wave({37}, 0.6);
  const nn::Linear linear(runtime, nn::Matrix({weight}), bias);
  const nn::Linear of_panels(runtime, packed(runtime, nn::Format::f32, {weight}), bias);
  for (const std::int64_t rows : {0L, 1L, 5L, 16L, few, few + 1, few + 24}) {
    const at::Tensor x = wave({1, rows, 75}, 0.5), plus = wave({1, rows, 37}, 0.7);
    const at::Tensor y = linear(x), want = at::linear(x, weight, bias);
    ASSERT_EQ(y.sizes(), want.sizes());
    if (rows == 0) continue;
    EXPECT_LT(largest_difference(y, want), 2e-5) << rows;
    EXPECT_LT(largest_difference(linear(x, plus), want + plus), 2e-5) << rows;
    EXPECT_EQ(y.equal(of_panels(x)), rows > few) << rows;
    const at::Tensor added = linear(x, plus), of_panels_added = of_panels(x, plus);
    EXPECT_EQ(added.equal(of_panels_added), rows > few) << rows;
    const at::Tensor more = linear(x, plus.narrow(1, 0, 1));  // one row for all
    EXPECT_LT(largest_difference(more, want + plus.narrow(1, 0, 1)), 2e-5) << rows;
  }
}

// An activation and a gate behind weights that lie in two blocks, as a file has them.
TEST(Linear, FastNumericsActivateFloat32ThatIsNotPacked) {
  const nn::Runtime runtime(2, nn::Numerics::fast);
  const at::Tensor gate = wave({32, 75}, 0.3), times = wave({32, 75}, 0.4), bias = wave({64}, 0.6);
  const nn::Linear two(runtime, nn::Matrix(std::vector<at::Tensor>{gate, times}), bias);
  const nn::Linear one(runtime, nn::Matrix(gate), bias.narrow(0, 0, 32));
  const nn::Linear panels(runtime, packed(runtime, nn::Format::f32, {gate, times}), bias);
  const at::Tensor x = wave({1, 100, 75}, 0.5);
  const at::Tensor gated = two.activated(x, Activation::gelu, true);
  ASSERT_TRUE(gated.defined());
  EXPECT_TRUE(gated.equal(panels.activated(x, Activation::gelu, true)));
  const at::Tensor alone = one.activated(x, Activation::gelu, false);
  ASSERT_TRUE(alone.defined());
  EXPECT_TRUE(alone.equal(panels.activated(x, Activation::gelu, false).narrow(-1, 0, 32)));
  // Blocks that are no halves, and few rows, are left to others.
  EXPECT_FALSE(two.activated(x, Activation::gelu, false).defined());
  EXPECT_FALSE(one.activated(x, Activation::gelu, true).defined());
  EXPECT_FALSE(one.activated(x.narrow(1, 0, 4), Activation::gelu, false).defined());
}

// Whatever the weights are, a product gives the bits that it gives of rows whose norm was done
// before.
TEST(Linear, DoesTheNormOfItsRows) {
  const nn::Runtime runtime(2, nn::Numerics::fast);
  const nn::Norm norm(runtime, {.weight = wave({75}, 0.8), .eps = 1e-5, .centred = false});
  const at::Tensor gate = wave({32, 75}, 0.3), times = wave({32, 75}, 0.4), bias = wave({64}, 0.6);
  std::vector<nn::Matrix> matrices = {nn::Matrix({at::cat({gate, times})}),
                                      nn::Matrix(std::vector<at::Tensor>{gate, times})};
  for (const auto format : {nn::Format::f32, nn::Format::f16, nn::Format::w8, nn::Format::w4}) {
    matrices.push_back(packed(runtime, format, {gate, times}));
  }
  for (const nn::Matrix& matrix : matrices) {
    const nn::Linear linear(runtime, matrix, bias), some = linear.some_rows(3, 17);
    for (const std::int64_t rows : {1, 5, 40, 100}) {
      const at::Tensor x = wave({1, rows, 75}, 0.5), plus = wave({1, rows, 64}, 0.7);
      const at::Tensor done = norm(x);
      EXPECT_FALSE(linear(x).equal(linear(done)));
      EXPECT_TRUE(linear(norm.of(x)).equal(linear(done)));
      EXPECT_TRUE(some(norm.of(x)).equal(some(done)));
      EXPECT_TRUE(at::Tensor(linear(norm.of(x), plus)).equal(linear(done, plus)));
      for (const bool gated : {false, true}) {
        const at::Tensor y = linear.activated(norm.of(x), Activation::silu, gated);
        const at::Tensor want = linear.activated(done, Activation::silu, gated);
        ASSERT_EQ(y.defined(), want.defined());
        if (!y.defined()) continue;
        EXPECT_TRUE(y.equal(want)) << rows << (gated ? ", gated" : "");
      }
    }
  }
}

// A kernel that is forced and takes other weights leaves these to LibTorch.
TEST(Linear, FastNumericsLeaveFloat32ToLibTorchWhereTheForcedKernelDoesNotTakeIt) {
  const nn::Runtime runtime(2, nn::Numerics::fast,
                            kernels::Choice::parse("packed_linear=bf16_portable", "kernels"));
  const at::Tensor weight = wave({37, 75}, 0.3), x = wave({1, 100, 75}, 0.5);
  EXPECT_TRUE(nn::Linear(runtime, nn::Matrix(weight))(x).equal(at::linear(x, weight)));
}

TEST(Matrix, PackedGivesItsRows) {
  const nn::Runtime runtime;
  const at::Tensor values = wave({37, 40}, 0.3);
  const std::vector<std::int32_t> ids = {36, 0, 17, 17};
  const nn::Matrix whole = packed(runtime, nn::Format::f32, {values});
  EXPECT_EQ(largest_difference(whole.values(), values), 0.0);
  EXPECT_EQ(
      largest_difference(whole.gather(runtime.ids(ids)), values.index_select(0, at::tensor(ids))),
      0.0);
  const nn::Matrix some = whole.some_rows(5, 20);
  EXPECT_EQ(largest_difference(some.values(), values.narrow(0, 5, 20)), 0.0);
  const std::vector<std::int32_t> last = {19};
  EXPECT_EQ(largest_difference(some.gather(runtime.ids(last)), values.narrow(0, 24, 1)), 0.0);
}

TEST(Matrix, HasNoRowsBehindItsLast) {
  const nn::Matrix matrix(std::vector<at::Tensor>{wave({2, 4}, 0.3), wave({3, 4}, 0.4)});
  EXPECT_EQ(matrix.some_rows(1, 4).rows(), 4);
  EXPECT_THROW(matrix.some_rows(1, 5), Error);
  EXPECT_THROW(matrix.some_rows(2, 0), Error);
}

TEST(Matrix, GathersRowsOfEveryFormatAsFloat) {
  const nn::Runtime runtime;
  const at::Tensor values = wave({9, 4}, 0.3);
  const std::vector<std::int32_t> ids = {8, 0, 3, 3};
  const std::pair<at::ScalarType, nn::Format> formats[] = {{at::kFloat, nn::Format::f32},
                                                           {at::kHalf, nn::Format::f16},
                                                           {at::kBFloat16, nn::Format::bf16}};
  for (const auto& [type, format] : formats) {
    const nn::Matrix matrix(values.to(type));
    EXPECT_EQ(matrix.format(), format);
    const at::Tensor got = matrix.gather(runtime.ids(ids));
    ASSERT_EQ(got.scalar_type(), at::kFloat);
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const at::Tensor want = values.to(type).to(at::kFloat)[ids[i]];
      EXPECT_EQ(largest_difference(got[static_cast<std::int64_t>(i)], want), 0.0);
    }
  }
}

}  // namespace
}  // namespace instructblip
