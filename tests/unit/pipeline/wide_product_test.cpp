// Logits on a device in half precision: float32 whatever their number, with the bits that a row has
// alone. The emulator runs the kernels.
#include <ATen/ops/eye.h>
#include <ATen/ops/linear.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "nn/linear.h"
#include "nn/normalization.h"
#include "unit/nn/emulated_device.h"
#include "unit/nn/tensors.h"
#include "unit/pipeline/retrieval_model.h"

namespace instructblip {
namespace {

constexpr std::int64_t kColumns = 64, kOutputs = 40;
constexpr double kOfFloat = 1e-5,
                 kOfHalf = 1e-4;  // what rounding leaves, as a share of the largest

nn::Linear head(const nn::Runtime& runtime, nn::Format format) {
  const at::Tensor weight = wave({kOutputs, kColumns}, 0.3).to(at::kHalf);
  if (format == nn::Format::f16) return nn::Linear(runtime, nn::Matrix(runtime.upload(weight)));
  return nn::Linear(runtime,
                    nn::Matrix(std::make_shared<const nn::TiledMatrix>(
                        runtime, format, nn::Pairing{}, std::vector{weight.to(at::kFloat)})));
}

// `head` may be asked for the rows of x at once, or one by one.
void expect_float32(nn::Runtime& runtime, nn::Format format, std::int64_t rows, bool in_any_batch) {
  runtime.run([&] {
    const nn::Linear linear = head(runtime, format);
    const at::Tensor x = wave({rows, kColumns}, 0.7).to(at::kHalf);
    const at::Tensor there = runtime.upload(x);
    const at::Tensor logits = linear.wide(there);
    ASSERT_EQ(logits.scalar_type(), at::kFloat);
    const at::Tensor eye = runtime.upload(at::eye(kColumns, nn::host(at::kHalf)));
    const at::Tensor weights = nn::to_host(linear.wide(eye)).t();
    const at::Tensor exact = at::linear(x.to(at::kFloat), weights);
    const at::Tensor here = nn::to_host(logits);
    const double largest = exact.abs().max().item<double>();
    EXPECT_LT(largest_difference(here, exact), kOfFloat * largest) << rows;
    EXPECT_GT(largest_difference(here.to(at::kHalf).to(at::kFloat), exact), kOfHalf * largest);
    for (std::int64_t i = 0; in_any_batch && i < rows; i += 13) {
      EXPECT_TRUE(here.narrow(0, i, 1).equal(nn::to_host(linear.wide(there.narrow(0, i, 1)))));
    }
  });
}

class WideProducts : public testing::TestWithParam<nn::Format> {};

TEST_P(WideProducts, AreFloat32WhateverTheirNumber) {
  EmulatedRuntime device;
  for (const std::int64_t rows : {1, 32, 33, 70, 140}) {
    expect_float32(device, GetParam(), rows, /*in_any_batch=*/true);
  }
}

TEST_P(WideProducts, AreFloat32WithoutKernelsToo) {
  EmulatedRuntime device(at::kHalf, [](kernels::cuda::Tables& tables) { tables.product = {}; });
  for (const std::int64_t rows : {1, 40}) {
    expect_float32(device, GetParam(), rows, /*in_any_batch=*/false);
  }
}

// What is compared, and judged by, is float32.
TEST(Retrieval, ComparesFloat32OnADeviceInHalf) {
  for (const at::ScalarType rows : {at::kHalf, at::kBFloat16}) {
    EmulatedRuntime device(rows);
    const auto [image, stages] = test::load_retrieval(
        "blip2_itm", device, {.precision = rows == at::kHalf ? Precision::f16 : Precision::bf16});
    device.run([&, &image = image, &stages = stages] {
      const std::vector<std::int32_t> text = {2, 7, 9, 4, 3};
      const at::Tensor visual = stages->vision().forward(
          device.upload_rows(wave({1, 3, image.height, image.width}, 0.2)));
      for (const at::Tensor& unit : {stages->embed_image(visual), stages->embed_text(text)}) {
        ASSERT_EQ(unit.scalar_type(), at::kFloat);
        const at::Tensor lengths = nn::to_host(unit).norm(2, -1);
        EXPECT_LT((lengths - 1).abs().max().item<double>(), 1e-6);
      }
      const at::Tensor logits = stages->matching_logits(stages->fuse(text, visual));
      ASSERT_EQ(logits.scalar_type(), at::kFloat);
      const at::Tensor here = nn::to_host(logits);
      EXPECT_FALSE(here.equal(here.to(rows).to(at::kFloat)));
    });
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, WideProducts,
                         testing::Values(nn::Format::f16, nn::Format::w8, nn::Format::w4));

}  // namespace
}  // namespace instructblip
