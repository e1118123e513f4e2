// Products and functions of a row are the same bits whatever is beside the row.
#include "nn/product.h"

#include <ATen/Parallel.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/matmul.h>
#include <gtest/gtest.h>

#include "nn/activation.h"
#include "nn/attention.h"
#include "unit/nn/tensors.h"

namespace instructblip::nn {
namespace {

const Runtime kDeterministic(1, Numerics::deterministic);

// Widths around the lanes of a vector and the rows of a block.
constexpr std::int64_t kWidths[] = {1, 7, 15, 16, 17, 31, 64, 203};

TEST(DeterministicProduct, AProductIsTheProduct) {
  for (const std::int64_t k : kWidths) {
    for (const std::int64_t n : kWidths) {
      const at::Tensor a = wave({5, k}, 0.3), b = wave({n, k}, 0.7);
      const at::Tensor plain = at::matmul(a, b.t());
      EXPECT_LT(largest_difference(product(kDeterministic, a, b), plain), 1e-4) << k << " " << n;
    }
  }
  const at::Tensor a = wave({2, 3, 4, 9}, 0.2), b = wave({2, 3, 5, 9}, 0.4);
  EXPECT_LT(largest_difference(product(kDeterministic, a, b), at::matmul(a, b.transpose(-1, -2))),
            1e-5);
}

TEST(DeterministicProduct, ARowDoesNotDependOnTheOthers) {
  for (const std::int64_t k : kWidths) {
    const at::Tensor x = wave({11, k}, 0.3), weight = wave({37, k}, 0.7);
    for (const auto type : {at::kFloat, at::kHalf, at::kBFloat16}) {
      const at::Tensor held = weight.to(type);
      const at::Tensor all = product(kDeterministic, x, held);
      for (std::int64_t first = 0; first < 11; ++first) {
        for (const std::int64_t count : {std::int64_t{1}, 11 - first}) {
          const at::Tensor some = product(kDeterministic, x.narrow(0, first, count), held);
          ASSERT_TRUE(at::equal(some, all.narrow(0, first, count))) << k << " " << first;
        }
      }
      // Nor a column on the other columns.
      const at::Tensor narrow = product(kDeterministic, x, held.narrow(0, 5, 9));
      EXPECT_TRUE(at::equal(narrow, all.narrow(1, 5, 9)));
    }
  }
}

TEST(DeterministicProduct, ThreadsDoNotMatter) {
  const at::Tensor x = wave({9, 203}, 0.3), weight = wave({301, 203}, 0.7);
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const at::Tensor one = product(kDeterministic, x, weight);
  for (const int threads : {2, 3, 8}) {
    at::set_num_threads(threads);
    EXPECT_TRUE(at::equal(product(kDeterministic, x, weight), one)) << threads;
  }
  at::set_num_threads(before);
}

TEST(DeterministicProduct, AnActivationDoesNotDependOnThePlaceOfTheRow) {
  const at::Tensor x = wave({6, 13}, 2.1);
  for (const Activation activation :
       {Activation::gelu, Activation::gelu_new, Activation::quick_gelu, Activation::silu}) {
    const at::Tensor all = activate(kDeterministic, activation, x);
    for (std::int64_t row = 0; row < 6; ++row) {
      EXPECT_TRUE(at::equal(activate(kDeterministic, activation, x.narrow(0, row, 1)),
                            all.narrow(0, row, 1)));
    }
  }
}

TEST(DeterministicProduct, AttentionIsTheReferencesUpToRounding) {
  const Heads heads = {wave({1, 6, 4, 5}, 0.3), wave({1, 6, 2, 5}, 0.5), wave({1, 6, 2, 5}, 0.9)};
  const Runtime reference;
  for (const bool causal : {false, true}) {
    AttentionOptions options{.runtime = &reference, .divisor = 2.2, .causal = causal};
    const at::Tensor expected = attend(heads, options);
    options.runtime = &kDeterministic;
    EXPECT_LT(largest_difference(attend(heads, options), expected), 1e-5);
  }
}

}  // namespace
}  // namespace instructblip::nn
