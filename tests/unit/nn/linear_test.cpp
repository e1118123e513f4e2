#include "nn/linear.h"

#include <gtest/gtest.h>

#include "unit/nn/tensors.h"

namespace instructblip {
namespace {

// Wider than one tile of the half-precision product, and not a multiple of it.
TEST(Linear, HalfWeightsGiveTheProductOfTheirWidenedValues) {
  const at::Tensor weight = wave({1500, 700}, 0.3), bias = wave({1500}, 0.4),
                   x = wave({1, 3, 700}, 0.5);
  for (const auto type : {at::kHalf, at::kBFloat16}) {
    const at::Tensor held = weight.to(type);
    for (const at::Tensor& b : {bias, at::Tensor()}) {
      const at::Tensor got = nn::Linear(held, b)(x);
      const at::Tensor want = nn::Linear(held.to(at::kFloat), b)(x);
      ASSERT_EQ(got.sizes(), want.sizes());
      EXPECT_LT(largest_difference(got, want), 2e-5);
    }
  }
}

}  // namespace
}  // namespace instructblip
