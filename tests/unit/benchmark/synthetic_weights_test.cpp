#include "benchmark/synthetic_weights.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <string>

#include "benchmark/subject.h"
#include "benchmark/word_numbers.h"
#include "core/shape.h"
#include "costs/published_models.h"
#include "instructblip/error.h"
#include "kernels/reference/half.h"
#include "nn/tensor_values.h"

namespace instructblip {
namespace {

std::vector<nn::RequestedTensor> tensors_of(const std::string& name) {
  const ModelConfig config = costs::published_config(name);
  const ImageConfig image = costs::image_config_for(config);
  return tensors_of(config, {image.height, image.width, false});
}

struct Published {
  const char* name;
  std::int64_t parameters;
};

class PublishedSizes : public testing::TestWithParam<Published> {};

// LLaVA's last layer of CLIP and the norm behind it are never run, so that nobody asks for them.
Published llava(const char* name, std::int64_t parameters) {
  return {name, parameters - 12'596'224 - 2'048};
}

// Counted from the reference's models of these configs.
TEST_P(PublishedSizes, AreThoseOfTheReferencesModel) {
  std::int64_t elements = 0;
  for (const nn::RequestedTensor& tensor : tensors_of(GetParam().name)) {
    elements += checked_elements(tensor.shape).value();
  }
  EXPECT_EQ(elements, GetParam().parameters);
}

INSTANTIATE_TEST_SUITE_P(All, PublishedSizes,
                         testing::Values(Published{"instructblip-flan-t5-xl", 4'022'969'088},
                                         Published{"instructblip-flan-t5-xxl", 12'310'119'168},
                                         Published{"instructblip-vicuna-7b", 7'913'726'720},
                                         Published{"instructblip-vicuna-13b", 14'192'093'952},
                                         Published{"blip2-opt-2.7b", 3'744'761'856},
                                         Published{"blip2-opt-6.7b", 7'752'869'376},
                                         Published{"blip2-flan-t5-xl", 3'942'446'592},
                                         Published{"blip2-flan-t5-xxl", 12'229'596'672},
                                         Published{"mblip-mt0-xl", 4'835'309'056},
                                         llava("llava-1.5-7b", 7'063'427'072),
                                         llava("llava-1.5-13b", 13'351'494'656),
                                         llava("llava-llama-3-8b-v1_1", 8'355'272'704),
                                         llava("llava-v1.6-vicuna-7b", 7'063'431'168),
                                         llava("llava-v1.6-vicuna-13b", 13'351'499'776),
                                         llava("llava-v1.6-mistral-7b", 7'566'747'648),
                                         llava("llama3-llava-next-8b", 8'355'276'800)),
                         [](const auto& test) {
                           std::string name = test.param.name;
                           std::ranges::replace_if(
                               name, [](char c) { return std::isalnum(c) == 0; }, '_');
                           return name;
                         });

float element(const TensorEntry& entry, std::size_t at) {
  if (entry.dtype == DType::f32) {
    float value;
    std::memcpy(&value, entry.bytes.data() + at * sizeof(value), sizeof(value));
    return value;
  }
  std::uint16_t bits;
  std::memcpy(&bits, entry.bytes.data() + at * sizeof(bits), sizeof(bits));
  return entry.dtype == DType::f16 ? kernels::reference::from_f16(bits)
                                   : kernels::reference::from_bf16(bits);
}

class SyntheticWeights : public testing::TestWithParam<DType> {};

TEST_P(SyntheticWeights, AreOfTheSizeThatLeavesActivationsAsTheyAre) {
  const std::vector<nn::RequestedTensor> tensors = {
      {"a.weight", {64, 1000}}, {"a.bias", {1001}}, {"norm.weight", {33}}, {"b.weight", {3, 7}}};
  const auto store = synthetic_weights(tensors, {GetParam()}, 2);
  const TensorEntry& matrix = *store->find("a.weight");
  EXPECT_EQ(matrix.dtype, GetParam());
  double sum = 0, squares = 0;
  std::map<float, int> values;
  for (std::size_t i = 0; i < 64'000; ++i) {
    const float value = element(matrix, i);
    ASSERT_TRUE(std::isfinite(value));
    sum += value;
    squares += static_cast<double>(value) * value;
    ++values[value];
  }
  EXPECT_NEAR(sum / 64'000, 0, 0.001);
  const double rms = std::sqrt(squares / 64'000) * std::sqrt(1000.0);  // 1, to a power of two
  EXPECT_GT(rms, 0.5);
  EXPECT_LE(rms, 1.01);
  EXPECT_GT(values.size(), 200u);  // bf16 has 2 * 128 of one exponent
  EXPECT_EQ(store->find("a.bias")->dtype, DType::f32);
  EXPECT_LT(std::abs(element(*store->find("a.bias"), 1000)), 0.1f);
  EXPECT_NE(element(*store->find("a.bias"), 1000), 0.0f);
  EXPECT_EQ(element(*store->find("norm.weight"), 32), 1.0f);
  EXPECT_NE(element(*store->find("b.weight"), 20), 0.0f);
}

TEST_P(SyntheticWeights, AreTheSameEachTimeAndDifferFromTensorToTensor) {
  const std::vector<nn::RequestedTensor> tensors = {{"a.weight", {8, 16}}, {"b.weight", {8, 16}}};
  const auto one = synthetic_weights(tensors, {GetParam()}, 1);
  const auto two = synthetic_weights(tensors, {GetParam()}, 3);
  EXPECT_TRUE(std::ranges::equal(one->find("a.weight")->bytes, two->find("a.weight")->bytes));
  EXPECT_FALSE(std::ranges::equal(one->find("a.weight")->bytes, one->find("b.weight")->bytes));
}

// Beside them lie those that a step looks at, whose pages must stay.
TEST(SyntheticWeights, AMatrixThatIsReleasedLeavesMemoryAndNothingElse) {
  const std::vector<nn::RequestedTensor> tensors = {{"a.weight", {64, 1000}, nn::Module::language},
                                                    {"words", {64, 1000}, nn::Module::rest},
                                                    {"b.weight", {64, 1001}, nn::Module::language}};
  const auto store = synthetic_weights(tensors, {}, 2);
  store->release(*store->find("a.weight"));
  store->release(*store->find("words"));
  EXPECT_EQ(element(*store->find("a.weight"), 63'999 - 1024), 0.0f);
  EXPECT_NE(element(*store->find("words"), 0), 0.0f);
  EXPECT_NE(element(*store->find("words"), 63'999), 0.0f);
  EXPECT_NE(element(*store->find("b.weight"), 0), 0.0f);
  EXPECT_NE(element(*store->find("b.weight"), 64'063), 0.0f);
}

INSTANTIATE_TEST_SUITE_P(Types, SyntheticWeights,
                         testing::Values(DType::f32, DType::f16, DType::bf16));

// As a directory of 8 or 4 bits has them.
TEST(SyntheticWeights, OfFewerBitsAreStoredAsSuch) {
  const std::vector<nn::RequestedTensor> tensors = {{"a.weight", {64, 1000}, nn::Module::language},
                                                    {"b.weight", {64, 1000}, nn::Module::vision},
                                                    {"a.bias", {1001}}};
  for (const auto format : {nn::Format::w8, nn::Format::w4}) {
    const auto store =
        synthetic_weights(tensors,
                          {DType::f16,
                           [&](nn::Module module, DType) {
                             return module == nn::Module::language ? format : nn::Format::f16;
                           }},
                          2);
    const TensorEntry& matrix = *store->find("a.weight");
    ASSERT_TRUE(matrix.scales.has_value());
    EXPECT_EQ(matrix.scales->bits, format == nn::Format::w8 ? 8 : 4);
    const at::Tensor values = nn::values_of(matrix, store, at::kFloat);
    const double rms = values.norm().item<double>() / std::sqrt(64.0);
    EXPECT_NEAR(rms, 1, 0.05);
    EXPECT_EQ(store->find("b.weight")->dtype, DType::f16);
    EXPECT_FALSE(store->find("b.weight")->scales.has_value());
  }
}

TEST(SyntheticWeights, ThatDoNotFitAreRefusedBeforeMemoryIsTaken) {
  const std::vector<nn::RequestedTensor> tensors = {{"a.weight", {std::int64_t{1} << 24, 1 << 22}}};
  try {
    synthetic_weights(tensors, {}, 1);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::out_of_memory);
    EXPECT_NE(std::string(error.what()).find("281474.9 GB"), std::string::npos) << error.what();
  }
}

TEST(WordNumbers, AreOneIdForEachWord) {
  const WordNumbers tokenizer(100, "<image>", 99);
  const auto ids = tokenizer.encode(words(50, "<image>"));
  ASSERT_EQ(ids.size(), 50u);
  EXPECT_EQ(ids[0], 99);
  EXPECT_EQ(std::ranges::count(ids, 99), 1);
  EXPECT_TRUE(std::ranges::all_of(ids, [](auto id) { return id >= 3 && id < 100; }));
  EXPECT_EQ(tokenizer.encode(words(50)).size(), 50u);
  EXPECT_EQ(tokenizer.encode("  word7   word7 "), tokenizer.encode("word7 word7"));
  EXPECT_TRUE(tokenizer.encode("").empty());
}

// The weights that were planned are all that the model asks for, and it asks for all of them:
// nothing is missing and nothing is left.
TEST(Subject, IsBuiltOfMadeUpWeightsLikeAnyCheckpoint) {
  for (const char* name : {"tiny-t5", "tiny-llama"}) {
    Subject subject = Subject::synthetic(name, 1);
    const ModelParts model = subject.load({.precision = Precision::bf16, .threads = 1});
    EXPECT_EQ(model.info.precision, "bf16");
    EXPECT_EQ(model.info.vision_layers, 1);
    EXPECT_GT(model.info.parameters, 0);
  }
}

}  // namespace
}  // namespace instructblip
