#include "vision/clip.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/linspace.h>
#include <gtest/gtest.h>

#include <string>

#include "instructblip/error.h"
#include "support/weight_files.h"

namespace instructblip {
namespace {

constexpr VisionEncoder::PixelSize kSquare = {6, 6, false};

ClipVisionConfig small_config(std::vector<std::int64_t> feature_layers) {
  ClipVisionConfig config;
  config.hidden = 4;
  config.feed_forward = 6;
  config.layers = 3;
  config.heads = 2;
  config.image_size = 6;
  config.patch_size = 3;
  config.feature_layers = std::move(feature_layers);
  return config;
}

void add_norm(const std::string& name, test::NamedShapes& shapes) {
  shapes.push_back({name + ".weight", {4}});
  shapes.push_back({name + ".bias", {4}});
}

// The whole tower, with as many layers.
test::NamedShapes tower(int layers) {
  test::NamedShapes shapes = {{"embeddings.class_embedding", {4}},
                              {"embeddings.patch_embedding.weight", {4, 3, 3, 3}},
                              {"embeddings.position_embedding.weight", {5, 4}}};
  add_norm("pre_layrnorm", shapes);
  add_norm("post_layernorm", shapes);
  for (int i = 0; i < layers; ++i) {
    const std::string layer = "encoder.layers." + std::to_string(i) + ".";
    add_norm(layer + "layer_norm1", shapes);
    add_norm(layer + "layer_norm2", shapes);
    for (const char* name : {"q_proj", "k_proj", "v_proj", "out_proj"}) {
      shapes.push_back({layer + "self_attn." + name + ".weight", {4, 4}});
      shapes.push_back({layer + "self_attn." + name + ".bias", {4}});
    }
    shapes.push_back({layer + "mlp.fc1.weight", {6, 4}});
    shapes.push_back({layer + "mlp.fc1.bias", {6}});
    shapes.push_back({layer + "mlp.fc2.weight", {4, 6}});
    shapes.push_back({layer + "mlp.fc2.bias", {4}});
  }
  return shapes;
}

// Features of one picture, and how many parameters were read for them.
struct Seen {
  at::Tensor features;
  std::int64_t positions, width, parameters;
};

Seen look(const ClipVisionConfig& config, const VisionEncoder::PixelSize& size = kSquare,
          const test::NamedShapes& shapes = tower(3)) {
  const test::TempDirectory directory;
  const nn::Runtime runtime;
  nn::WeightLoader loader(runtime, test::varied_store(directory, shapes),
                          {nn::Format::f32, nn::Values::read});
  const ClipVision clip(loader.root(), config, size);
  loader.finish();
  const at::Tensor pixels =
      at::linspace(-1, 1, 3 * size.height * size.width).view({1, 3, size.height, size.width});
  return {clip.forward(pixels).clone(), clip.positions(), clip.width(), loader.parameters()};
}

TEST(ClipVision, PutsHiddenStatesSideBySide) {
  const at::Tensor first = look(small_config({0})).features;
  const at::Tensor second = look(small_config({2})).features;
  const Seen both = look(small_config({2, 0, 2}));
  EXPECT_EQ(both.positions, 4);
  EXPECT_EQ(both.width, 12);
  EXPECT_TRUE(at::equal(both.features, at::cat({second, first, second}, 2)));
  EXPECT_FALSE(at::equal(first, second));
}

TEST(ClipVision, KeepsTheClassRowWhereItIsAskedTo) {
  ClipVisionConfig config = small_config({1});
  const Seen without = look(config);
  config.class_row = true;
  const Seen with = look(config);
  EXPECT_EQ(with.positions, 5);
  EXPECT_EQ(with.features.sizes().vec(), (std::vector<std::int64_t>{1, 5, 4}));
  EXPECT_TRUE(at::equal(with.features.narrow(1, 1, 4), without.features));
}

// Layers that no feature needs may be there or not: nothing of them is read.
TEST(ClipVision, ReadsNoMoreThanItNeeds) {
  const Seen whole = look(small_config({1}));
  const Seen part = look(small_config({1}), kSquare, tower(1));
  EXPECT_TRUE(at::equal(whole.features, part.features));
  EXPECT_EQ(whole.parameters, part.parameters);
  EXPECT_GT(look(small_config({3})).parameters, whole.parameters);
  try {
    look(small_config({2}), kSquare, tower(1));
    ADD_FAILURE() << "a layer is missing";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("encoder.layers.1.layer_norm1.weight [4] is missing"),
              std::string::npos);
  }
}

TEST(ClipVision, TakesOtherSizesOnlyWhereItMayInterpolate) {
  const Seen wide = look(small_config({2}), {6, 11, true});
  EXPECT_EQ(wide.positions, 6);  // two rows of three patches; two columns of pixels are left over
  EXPECT_EQ(wide.features.sizes().vec(), (std::vector<std::int64_t>{1, 6, 4}));
  EXPECT_THROW(look(small_config({2}), {6, 11, false}), Error);
}

}  // namespace
}  // namespace instructblip
