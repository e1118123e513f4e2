// The sums that benchmarks divide by, against figures worked out by hand from the published sizes:
// elements of a layer's matrices times layers, twice that times rows, and attention's two products.
#include "costs/stage_costs.h"

#include <gtest/gtest.h>

#include "costs/published_models.h"

namespace instructblip::costs {
namespace {

constexpr double kMillion = 1e6, kBillion = 1e9;

ModelConfig xl() { return published_config("instructblip-flan-t5-xl"); }
ModelConfig vicuna() { return published_config("instructblip-vicuna-7b"); }

// A layer: 4 * 1408^2 + 2 * 1408 * 6144 = 25,231,360; 39 of them and the patches' 1408 * 588.
TEST(VisionCost, IsThatOfViTg) {
  const Cost cost = vision_cost(xl().vision, 1);
  EXPECT_DOUBLE_EQ(cost.weights.total(), 39 * 25'231'360.0 + 827'904);
  EXPECT_NEAR(cost.weights.total(), 984 * kMillion, kMillion);
  // 257 rows; attention 4 * 257^2 * 1408 a layer, 14.5 G in all; the patches have no class row.
  EXPECT_DOUBLE_EQ(cost.flops,
                   2.0 * 257 * 39 * 25'231'360 + 39 * 4.0 * 257 * 257 * 1408 + 2.0 * 256 * 827'904);
  EXPECT_NEAR(cost.flops, 520.3 * kBillion, 0.5 * kBillion);
  EXPECT_EQ(cost.cached, 0);
}

TEST(VisionCost, OfSeveralPicturesReadsTheWeightsOnce) {
  const Cost one = vision_cost(xl().vision, 1), eight = vision_cost(xl().vision, 8);
  EXPECT_EQ(eight.weights.total(), one.weights.total());
  EXPECT_EQ(eight.flops, 8 * one.flops);
}

// CLIP ViT-L/14 at 336 pixels: LLaVA looks at the output of layer 23 of 24, so that 23 are run.
TEST(VisionCost, LeavesOutLayersThatAreNotRun) {
  const Cost cost = vision_cost(published_config("llava-1.5-7b").vision, 1);
  EXPECT_DOUBLE_EQ(cost.weights.total(), 23 * 12.0 * 1024 * 1024 + 1024.0 * 588);
}

// Self-attention and the queries' feed-forward in 12 layers, the text's in 11, cross-attention
// in 6.
TEST(QFormerCost, IsThatOfThePublishedOne) {
  const QFormerConfig qformer = *xl().qformer;
  const Cost with_16 = qformer_cost(qformer, {.text = 16});
  EXPECT_NEAR(with_16.weights.total(), 157 * kMillion, kMillion);
  EXPECT_NEAR(with_16.flops, 15.35 * kBillion, 0.05 * kBillion);
  EXPECT_NEAR(qformer_cost(qformer, {.text = 32}).flops, 18.0 * kBillion, 0.05 * kBillion);
  EXPECT_NEAR(qformer_cost(qformer, {.text = 128}).flops, 33.8 * kBillion, 0.5 * kBillion);
  // Without a text its feed-forward is not read: 11 * 2 * 768 * 3072 elements less.
  const Cost alone = qformer_cost(qformer, {.text = 0});
  EXPECT_DOUBLE_EQ(with_16.weights.total() - alone.weights.total(), 11 * 2.0 * 768 * 3072);
  EXPECT_EQ(qformer_cost(qformer, {.pictures = 3, .text = 16}).flops, 3 * with_16.flops);
}

TEST(QFormerCost, HasCrossAttentionInEverySecondLayerFromTheFirst) {
  QFormerConfig qformer = *xl().qformer;
  qformer.layers = 3;  // layers 0 and 2
  const double layer = 4.0 * 768 * 768 + 2.0 * 768 * 3072, cross = 2.0 * 768 * (768 + 1408);
  EXPECT_DOUBLE_EQ(qformer_cost(qformer, {}).weights.total(), 3 * layer + 2 * cross);
}

TEST(ProjectionCost, IsOneMatrixOrTwo) {
  const Cost blip = projection_cost(xl().projection, {32, 768, 2048});
  EXPECT_DOUBLE_EQ(blip.weights.total(), 768.0 * 2048);
  EXPECT_DOUBLE_EQ(blip.flops, 2.0 * 32 * 768 * 2048);
  const Cost llava =
      projection_cost(published_config("llava-1.5-7b").projection, {576, 1024, 4096});
  EXPECT_DOUBLE_EQ(llava.weights.total(), 1024.0 * 4096 + 4096.0 * 4096);
}

struct Model {
  const char* name;
  double streamed;   // elements of matrices in a step, in billions
  double per_token;  // elements of keys and values that a token adds, in thousands
  std::int64_t prompt;
  double prefill;  // operations, in billions
};

class LanguageCost : public testing::TestWithParam<Model> {};

TEST_P(LanguageCost, IsThatOfThePublishedModel) {
  const auto& [name, streamed, per_token, prompt, prefill] = GetParam();
  const LanguageConfig text = published_config(name).text;
  const Cost step = step_cost(text, {.rows = 1, .prompt = prompt});
  EXPECT_NEAR(step.weights.total(), streamed * kBillion, 0.006 * streamed * kBillion);
  EXPECT_NEAR(step.flops, 2 * step.weights.total(), 0.03 * step.flops);  // the rest is attention
  const Cost later = step_cost(text, {.rows = 1, .prompt = prompt, .before = 1});
  EXPECT_DOUBLE_EQ(later.cached - step.cached, per_token * 1000);
  double flops = 0;
  for (const Cost& cost : prefill_costs(text, prompt)) flops += cost.flops;
  EXPECT_NEAR(flops, prefill * kBillion, 0.025 * prefill * kBillion);
}

// Keys and values: 24 * 2 * 2048, 24 * 2 * 4096, 32 * 2 * 4096, 40 * 2 * 5120, 32 * 2 * 2560,
// 32 * 2 * 1024.
INSTANTIATE_TEST_SUITE_P(Published, LanguageCost,
                         testing::Values(Model{"instructblip-flan-t5-xl", 1.43, 98.304, 64, 174},
                                         Model{"instructblip-flan-t5-xxl", 5.57, 196.608, 64, 696},
                                         Model{"instructblip-vicuna-7b", 6.61, 262.144, 72, 909},
                                         Model{"instructblip-vicuna-13b", 12.85, 409.600, 72, 1789},
                                         Model{"blip2-opt-2.7b", 2.65, 163.840, 72, 353},
                                         Model{"blip2-opt-6.7b", 6.65, 262.144, 72, 904},
                                         Model{"llava-llama-3-8b-v1_1", 7.505, 65.536, 72, 978}),
                         [](const auto& test) {
                           std::string name = test.param.name;
                           for (char& c : name) c = std::isalnum(c) ? c : '_';
                           return name;
                         });

// The prompt is stored once for all hypotheses, what they have written for each.
TEST(StepCost, OfSeveralRowsReadsWeightsAndPromptOnce) {
  const LanguageConfig text = vicuna().text;
  const Cost one = step_cost(text, {.rows = 1, .prompt = 100, .before = 9});
  const Cost five = step_cost(text, {.rows = 5, .prompt = 100, .before = 9});
  EXPECT_EQ(five.weights.total(), one.weights.total());
  EXPECT_DOUBLE_EQ(five.flops, 5 * one.flops);
  const double position = 32 * 2.0 * 4096;
  EXPECT_DOUBLE_EQ(one.cached, (100 + 10) * position);
  EXPECT_DOUBLE_EQ(five.cached, (100 + 5 * 10) * position);
}

// Eight heads of keys and values for 32 of queries.
TEST(StepCost, OfGroupedHeadsCachesFewer) {
  const LanguageConfig text = published_config("llava-v1.6-mistral-7b").text;
  const Cost step = step_cost(text, {.rows = 1, .prompt = 0});
  EXPECT_DOUBLE_EQ(step.cached, 32 * 2.0 * 1024);
  const double layer = 4096.0 * (2 * 4096 + 2 * 1024) + 3.0 * 4096 * 14336;
  EXPECT_DOUBLE_EQ(step.weights.total(), 32 * layer + 4096.0 * 32064);
}

// Its decoder starts from a token of its own, which the prefill has read.
TEST(StepCost, OfAnEncoderDecoderCountsTheStartToken) {
  const LanguageConfig text = xl().text;
  const Cost step = step_cost(text, {.rows = 1, .prompt = 64});
  EXPECT_DOUBLE_EQ(step.cached, 24 * 2.0 * 2048 * (64 + 2));
}

TEST(BytesOf, CountsElementsAsTheyAreHeld) {
  const Cost cost{.weights = {.language = 1000, .head = 100}, .cached = 10, .flops = 0};
  EXPECT_DOUBLE_EQ(bytes_of(cost, {}), 4440);
  EXPECT_DOUBLE_EQ(bytes_of(cost, {.weights = {.language = 0.5625, .head = 1}, .cached = 2}),
                   682.5);
}

TEST(LimitOf, IsTheLongerOfReadingAndComputing) {
  const Machine machine{.read_gbps = 20, .peak_gflops = 200};
  const Pass slow_to_read{2e9, 4e9};  // 100 ms and 20 ms
  const Limit reading = limit_of({{slow_to_read}}, machine);
  EXPECT_DOUBLE_EQ(reading.ms, 100);
  EXPECT_TRUE(reading.by_reading);
  const Pass slow_to_compute{2e9, 60e9};  // 100 ms and 300 ms
  const Limit computing = limit_of({{slow_to_compute}}, machine);
  EXPECT_DOUBLE_EQ(computing.ms, 300);
  EXPECT_FALSE(computing.by_reading);
  // Products of what is rounded are computed faster: 100 + 50 + 100 + 30 ms.
  const Machine whole{.read_gbps = 20,
                      .peak_gflops = 200,
                      .peak_gops_of_8_bits = 800,
                      .peak_gops_of_16_bits = 400,
                      .peak_gflops_of_bf16 = 500};
  const Pass rounded{1e9, 115e9, 40e9, 40e9, 15e9};
  EXPECT_DOUBLE_EQ(limit_of({{rounded}}, whole).ms, 280);
  // The next pass is not read while this one is computed.
  const Limit both = limit_of({{slow_to_compute, slow_to_read}}, machine);
  EXPECT_DOUBLE_EQ(both.ms, 400);
  EXPECT_FALSE(both.by_reading);
}

TEST(PrefillCosts, OfAnEncoderDecoderAreTwo) {
  EXPECT_EQ(prefill_costs(xl().text, 64).size(), 2u);
  EXPECT_EQ(prefill_costs(published_config("instructblip-vicuna-7b").text, 64).size(), 1u);
}

// 4096 * 4096 * 4 + 3 * 4096 * 11008 elements a layer, half of the first for keys and values. 72
// rows go through 31 layers; of the last they need keys and values, and one the rest.
TEST(PrefillCosts, OfTheLastLayerAreKeysAndValuesOfAllRowsAndTheRestOfOne) {
  const Cost cost = prefill_costs(vicuna().text, 72).front();
  const double keys = 2.0 * 4096 * 4096, rest = 2.0 * 4096 * 4096 + 3.0 * 4096 * 11008;
  const double head = 4096.0 * 32000;
  EXPECT_DOUBLE_EQ(cost.products.language, 2 * (31 * 72 * (keys + rest) + 72 * keys + rest));
  EXPECT_DOUBLE_EQ(cost.weights.language, 32 * (keys + rest));
  EXPECT_DOUBLE_EQ(cost.flops - cost.products.total(), 4.0 * 4096 * (31 * 72 * 73 / 2.0 + 72));
  EXPECT_NEAR(cost.products.head, 2 * head, 0.01 * head);  // its vocabulary has a few words more
}

TEST(Cost, IsTakenTimesOrShared) {
  const Cost one{.weights = {.language = 3}, .cached = 5, .flops = 7, .products = {.head = 2}};
  const Cost twice = times(one, 2), shared = shared_by(one, 2);
  EXPECT_EQ(twice.weights.language, 6);
  EXPECT_EQ(shared.weights.language, 3);
  for (const Cost& cost : {twice, shared}) {
    EXPECT_EQ(cost.cached, 10);
    EXPECT_EQ(cost.flops, 14);
    EXPECT_EQ(cost.products.head, 4);
  }
}

}  // namespace
}  // namespace instructblip::costs
