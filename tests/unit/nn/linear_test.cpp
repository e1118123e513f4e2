#include "nn/linear.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/linear.h>
#include <gtest/gtest.h>

#include "instructblip/error.h"
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
