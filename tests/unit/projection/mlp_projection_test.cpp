#include "projection/mlp_projection.h"

#include <ATen/ops/allclose.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/linspace.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "instructblip/error.h"
#include "support/weight_files.h"

namespace instructblip {
namespace {

constexpr ProjectionWidths kWidths = {3, 2};
const test::NamedShapes kTwo = {{"linear_1.weight", {2, 3}},
                                {"linear_1.bias", {2}},
                                {"linear_2.weight", {2, 2}},
                                {"linear_2.bias", {2}}};

// What the projection makes of some rows; every tensor of the file must have been read.
at::Tensor projected(const test::NamedShapes& shapes, const MlpProjectionConfig& config = {}) {
  const test::TempDirectory directory;
  const nn::Runtime runtime;
  nn::WeightLoader loader(runtime, test::varied_store(directory, shapes),
                          {nn::Format::f32, nn::Values::read});
  const MlpProjection projection(loader.root(), config, kWidths);
  loader.finish();
  return projection.forward(at::linspace(-1, 1, 6).view({1, 2, 3})).clone();
}

at::Tensor tensor_of(const Shape& shape, std::size_t seed) {
  const at::Tensor out = at::empty(shape);
  const auto values = test::varied_values(out.numel(), seed);
  std::copy(values.begin(), values.end(), out.data_ptr<float>());
  return out;
}

TEST(MlpProjection, IsTwoLayersAroundAnActivation) {
  const at::Tensor x = at::linspace(-1, 1, 6).view({1, 2, 3});
  const at::Tensor first = at::linear(x, tensor_of({2, 3}, 0), tensor_of({2}, 1));
  const at::Tensor want = at::linear(at::gelu(first), tensor_of({2, 2}, 2), tensor_of({2}, 3));
  EXPECT_TRUE(at::allclose(projected(kTwo), want, 0, 1e-6));
  EXPECT_FALSE(at::allclose(projected(kTwo, {.activation = Activation::linear}), want, 0, 1e-3));
}

TEST(MlpProjection, IsOneLayerWhereTheFileHasOne) {
  const at::Tensor x = at::linspace(-1, 1, 6).view({1, 2, 3});
  const at::Tensor want = at::linear(x, tensor_of({2, 3}, 0), tensor_of({2}, 1));
  EXPECT_TRUE(at::allclose(projected({{"linear_1.weight", {2, 3}}, {"linear_1.bias", {2}}}), want));
  EXPECT_TRUE(at::allclose(projected({{"weight", {2, 3}}, {"bias", {2}}}), want));
  EXPECT_TRUE(
      at::allclose(projected({{"weight", {2, 3}}, {"bias", {2}}}, {.two_layers = false}), want));
}

TEST(MlpProjection, HasNoBiasWhereTheConfigHasNone) {
  const at::Tensor x = at::linspace(-1, 1, 6).view({1, 2, 3});
  const at::Tensor want =
      at::linear(at::gelu(at::linear(x, tensor_of({2, 3}, 0))), tensor_of({2, 2}, 1));
  EXPECT_TRUE(at::allclose(
      projected({{"linear_1.weight", {2, 3}}, {"linear_2.weight", {2, 2}}}, {.bias = false}),
      want));
}

TEST(MlpProjection, SaysWhatIsMissing) {
  const auto message = [](const test::NamedShapes& shapes, const MlpProjectionConfig& config) {
    try {
      projected(shapes, config);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::bad_model);
      return std::string(error.what());
    }
    return std::string();
  };
  // The config decides where it says how many there are.
  EXPECT_NE(message({kTwo[0], kTwo[1]}, {.two_layers = true}).find("linear_2.weight [2, 2] is"),
            std::string::npos);
  EXPECT_NE(message(kTwo, {.two_layers = false}).find("linear_2.weight [2, 2] belongs to no part"),
            std::string::npos);
  const std::string nothing = message({}, {});
  EXPECT_NE(nothing.find("linear_1.weight [2, 3] is missing"), std::string::npos);
  EXPECT_NE(nothing.find("linear_2.bias [2] is missing"), std::string::npos);
}

}  // namespace
}  // namespace instructblip
