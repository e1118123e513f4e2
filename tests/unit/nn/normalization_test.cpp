// A norm is a kernel with fast numerics or where one is forced, and else a composition in the
// reference's order.
#include "nn/normalization.h"

#include <ATen/ops/layer_norm.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/sqrt.h>
#include <gtest/gtest.h>

#include <optional>
#include <tuple>

#include "nn/gradients.h"
#include "unit/nn/runtimes.h"
#include "unit/nn/tensors.h"

namespace instructblip {
namespace {

constexpr double kEps = 1e-6;

nn::Norm rms_norm(const nn::Runtime& runtime, const at::Tensor& weight) {
  return nn::Norm(runtime, {.weight = weight, .eps = kEps, .centred = false});
}

at::Tensor composed(const at::Tensor& x, const at::Tensor& weight) {
  return weight * (x * at::rsqrt(x.pow(2).mean(-1, true) + kEps));
}

at::Tensor in_double(const at::Tensor& x, const at::Tensor& weight) {
  const at::Tensor wide = x.to(at::kDouble);
  const auto eps = static_cast<double>(static_cast<float>(kEps));
  return wide / at::sqrt(wide.pow(2).mean(-1, true) + eps) * weight;
}

const kernels::Choice kInDouble = kernels::Choice::parse("norm=reference", "kernels");

TEST(RmsNorm, OfFastNumericsIsAKernel) {
  const nn::Runtime runtime(2, nn::Numerics::fast);
  const nn::Runtime forced(2, nn::Numerics::fast, kInDouble);
  const at::Tensor x = wave({3, 5, 1003}, 0.3), weight = wave({1003}, 0.4);
  const at::Tensor want = in_double(x, weight);
  EXPECT_LT(largest_difference(rms_norm(runtime, weight)(x), want), 2e-6);
  EXPECT_TRUE(rms_norm(forced, weight)(x).equal(want.to(at::kFloat)));
}

TEST(RmsNorm, TakesRowsThatDoNotFollowOneAnother) {
  const nn::Runtime runtime(2, nn::Numerics::fast);
  const at::Tensor weight = wave({40}, 0.4), wide = wave({6, 100}, 0.5);
  const at::Tensor x = wide.narrow(1, 7, 40);
  EXPECT_TRUE(rms_norm(runtime, weight)(x).equal(rms_norm(runtime, weight)(x.contiguous())));
  EXPECT_EQ(rms_norm(runtime, weight)(x.narrow(0, 0, 0)).size(0), 0);
}

TEST(RmsNorm, OfOtherNumericsIsTheCompositionUnlessAKernelIsForced) {
  const at::Tensor x = wave({7, 1003}, 0.3), weight = wave({1003}, 0.4);
  for (const auto numerics : {nn::Numerics::reference, nn::Numerics::deterministic}) {
    const nn::Runtime runtime(2, numerics), forced(2, numerics, kInDouble);
    EXPECT_TRUE(rms_norm(runtime, weight)(x).equal(composed(x, weight)));
    EXPECT_TRUE(rms_norm(forced, weight)(x).equal(in_double(x, weight).to(at::kFloat)));
  }
  const ComposingRuntime without(2, nn::Numerics::fast);
  EXPECT_TRUE(rms_norm(without, weight)(x).equal(composed(x, weight)));
}

// The variable may name kernels of a device, which force nothing here.
TEST(RmsNorm, IsNotForcedByAKernelOfADevice) {
  const at::Tensor x = wave({7, 1003}, 0.3), weight = wave({1003}, 0.4);
  for (const char* text : {"norm=sm_80", "norm=none"}) {
    const auto choice = kernels::Choice::parse(text, "INSTRUCTBLIP_KERNELS");
    const nn::Runtime reference(2, nn::Numerics::reference, choice);
    EXPECT_TRUE(rms_norm(reference, weight)(x).equal(composed(x, weight))) << text;
    const nn::Runtime fast(2, nn::Numerics::fast, choice);
    EXPECT_TRUE(rms_norm(fast, weight).in_product(false)) << text;
  }
}

// Products do a norm where that is what the norm itself would do.
TEST(RmsNorm, MayBeDoneByAProduct) {
  using Config = std::tuple<nn::Numerics, kernels::Choice>;
  const at::Tensor weight = wave({40}, 0.4);
  const auto in_product = [&](const Config& config, double factor = 1.0) {
    const auto& [numerics, kernels] = config;
    const nn::Runtime runtime(2, numerics, kernels);
    const nn::NormWeights weights{.weight = weight, .eps = 0.5, .centred = false};
    return nn::Norm(runtime, weights, factor).in_product(false);
  };
  const Config fast(nn::Numerics::fast, {});
  ASSERT_TRUE(in_product(fast));
  EXPECT_EQ(in_product(fast)->weight, weight.const_data_ptr<float>());
  EXPECT_EQ(in_product(fast)->bias, nullptr);
  EXPECT_EQ(in_product(fast)->eps, 0.5f);
  EXPECT_FALSE(in_product(fast)->centred);
  EXPECT_FALSE(in_product(fast, 0.25));
  EXPECT_FALSE(in_product({nn::Numerics::reference, {}}));
  EXPECT_FALSE(in_product({nn::Numerics::fast, kInDouble}));
  EXPECT_FALSE(nn::Normed(weight).in_product(false));
  const nn::Watching watching;
  EXPECT_FALSE(in_product(fast));
}

TEST(RmsNorm, OfWatchedRowsIsTheComposition) {
  const nn::Runtime runtime(2, nn::Numerics::fast, kInDouble);
  const at::Tensor x = wave({7, 1003}, 0.3), weight = wave({1003}, 0.4);
  const nn::Watching watching;
  EXPECT_TRUE(rms_norm(runtime, weight)(x).equal(composed(x, weight)));
}

nn::Norm layer_norm(const nn::Runtime& runtime, const at::Tensor& weight, const at::Tensor& bias) {
  return nn::Norm(runtime, {.weight = weight, .bias = bias, .eps = kEps, .centred = true});
}

TEST(LayerNorm, IsTheCompositionUnlessAKernelIsForced) {
  const at::Tensor x = wave({3, 5, 1003}, 0.3) + 4.0, weight = wave({1003}, 0.4);
  const at::Tensor bias = wave({1003}, 0.5), wide = x.to(at::kDouble);
  const at::Tensor composed = at::layer_norm(x, {1003}, weight, bias, kEps);
  for (const auto numerics : {nn::Numerics::reference, nn::Numerics::fast}) {
    const nn::Runtime runtime(2, numerics), forced(2, numerics, kInDouble);
    EXPECT_TRUE(layer_norm(runtime, weight, bias)(x).equal(composed));
    const at::Tensor want = at::layer_norm(wide, {1003}, weight.to(at::kDouble),
                                           bias.to(at::kDouble), static_cast<float>(kEps));
    EXPECT_LT(largest_difference(layer_norm(forced, weight, bias)(x), want), 1e-6);
    EXPECT_FALSE(layer_norm(forced, weight, bias).in_product(true));
    const nn::Watching watching;
    EXPECT_TRUE(layer_norm(forced, weight, bias)(x).equal(composed));
  }
  // Without weights, as an OPT without affine norms has them.
  const nn::Runtime forced(2, nn::Numerics::fast, kInDouble);
  EXPECT_TRUE(layer_norm(forced, {}, {})(x).equal(at::layer_norm(x, {1003}, {}, {}, kEps)));
  EXPECT_FALSE(layer_norm(forced, {}, {}).in_product(true));
}

// What is rounded next need not be the reference's to the last bit.
TEST(LayerNorm, IsDoneByAProductThatRoundsItsRows) {
  const at::Tensor weight = wave({40}, 0.4), bias = wave({40}, 0.5);
  const nn::Runtime fast(2, nn::Numerics::fast), reference(2, nn::Numerics::reference);
  const std::optional<nn::NormInProduct> norm = layer_norm(fast, weight, bias).in_product(true);
  ASSERT_TRUE(norm);
  EXPECT_EQ(norm->weight, weight.const_data_ptr<float>());
  EXPECT_EQ(norm->bias, bias.const_data_ptr<float>());
  EXPECT_TRUE(norm->centred);
  EXPECT_FALSE(layer_norm(fast, weight, bias).in_product(false));
  EXPECT_FALSE(layer_norm(reference, weight, bias).in_product(true));
}

}  // namespace
}  // namespace instructblip
