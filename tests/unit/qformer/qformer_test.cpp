// Pictures with instructions of any length go through the Q-Former together, and each gets the
// queries that it gets alone.
#include "qformer/qformer.h"

#include <ATen/Parallel.h>
#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "support/weight_files.h"
#include "unit/nn/tensors.h"

namespace instructblip {
namespace {

constexpr std::int64_t kQueries = 3, kHidden = 20, kVision = 14, kWide = 33, kWords = 11;

QFormerConfig config(bool reads_instruction) {
  return {.vocabulary = kWords,
          .hidden = kHidden,
          .layers = 3,
          .heads = 2,
          .feed_forward = kWide,
          .max_positions = 9,
          .cross_attention_every = 2,
          .encoder_hidden = kVision,
          .queries = kQueries,
          .reads_instruction = reads_instruction};
}

class Shapes {
 public:
  void linear(const std::string& path, std::int64_t in, std::int64_t out) {
    list.push_back({path + ".weight", {out, in}});
    list.push_back({path + ".bias", {out}});
  }
  void norm(const std::string& path) {
    list.push_back({path + ".weight", {kHidden}});
    list.push_back({path + ".bias", {kHidden}});
  }
  void attention(const std::string& path, std::int64_t memory) {
    linear(path + ".attention.query", kHidden, kHidden);
    linear(path + ".attention.key", memory, kHidden);
    linear(path + ".attention.value", memory, kHidden);
    linear(path + ".output.dense", kHidden, kHidden);
    norm(path + ".output.LayerNorm");
  }
  void feed_forward(const std::string& path, const std::string& whose) {
    linear(path + ".intermediate" + whose + ".dense", kHidden, kWide);
    linear(path + ".output" + whose + ".dense", kWide, kHidden);
    norm(path + ".output" + whose + ".LayerNorm");
  }

  test::NamedShapes list;
};

test::NamedShapes shapes_of(const QFormerConfig& config) {
  Shapes shapes;
  shapes.list.push_back({"query_tokens", {1, kQueries, kHidden}});
  if (config.reads_instruction) {
    const std::string tables = "qformer.embeddings.";
    shapes.list.push_back({tables + "word_embeddings.weight", {kWords, kHidden}});
    shapes.list.push_back({tables + "position_embeddings.weight", {config.max_positions, kHidden}});
    shapes.norm("qformer.embeddings.layernorm");
  } else {
    shapes.norm("qformer.layernorm");
  }
  for (std::int64_t i = 0; i < config.layers; ++i) {
    const std::string layer = "qformer.encoder.layer." + std::to_string(i);
    shapes.attention(layer + ".attention", kHidden);
    if (i % config.cross_attention_every == 0) {
      shapes.attention(layer + ".crossattention", kVision);
    }
    shapes.feed_forward(layer, "_query");
    if (config.reads_instruction) shapes.feed_forward(layer, "");
  }
  return shapes.list;
}

class QFormerTest : public testing::TestWithParam<bool> {  // deterministic
 protected:
  QFormerTest() { at::set_num_threads(1); }

  // Every tensor of the file must have been read.
  QFormer load(bool reads_instruction) {
    const QFormerConfig made = config(reads_instruction);
    nn::WeightLoader loader(runtime_,
                            test::varied_store(directory_, shapes_of(made), test::random_values),
                            {nn::Format::f32, nn::Values::read});
    QFormer qformer(loader.root(), made);
    loader.finish();
    return qformer;
  }

  static void expect_same(const at::Tensor& got, const at::Tensor& want) {
    ASSERT_EQ(got.sizes(), want.sizes());
    EXPECT_LT(largest_difference(got, want), 1e-5);
    EXPECT_TRUE(at::equal(got, want) || !GetParam()) << "to the bit where it is deterministic";
  }

 private:
  const nn::Runtime runtime_{1, GetParam() ? nn::Numerics::deterministic : nn::Numerics::reference};
  const test::TempDirectory directory_;
};

using Words = std::vector<std::int32_t>;

const std::vector<Words> kInstructions = {
    {2, 3, 4, 10, 5}, {2, 3}, {2, 3, 4, 10, 6}, {}, {9, 8, 7, 6, 5, 4, 3, 2, 1}};

// Lengths that differ, lengths that are equal, none at all and the longest.
TEST_P(QFormerTest, InstructionsOfAnyLengthAreReadTogetherAsEachAlone) {
  const QFormer qformer = load(/*reads_instruction=*/true);
  const at::Tensor visual = wave({std::ssize(kInstructions), 7, kVision}, 0.3);
  for (const std::vector<int>& order :
       std::vector<std::vector<int>>{{0, 1, 2, 3, 4}, {4, 3, 0}, {0, 2}, {3, 3}, {1}}) {
    std::vector<QFormer::Ids> instructions;
    std::vector<at::Tensor> pictures;
    for (const int i : order) {
      instructions.emplace_back(kInstructions[static_cast<std::size_t>(i)]);
      pictures.push_back(visual.narrow(0, i, 1));
    }
    const at::Tensor got = qformer.forward_each(instructions, at::cat(pictures));
    ASSERT_EQ(got.size(0), std::ssize(order));
    for (std::size_t i = 0; i < order.size(); ++i) {
      SCOPED_TRACE("instruction " + std::to_string(order[i]));
      const at::Tensor alone = qformer.forward(instructions[i], pictures[i]);
      expect_same(got.narrow(0, static_cast<std::int64_t>(i), 1), alone);
    }
  }
}

TEST_P(QFormerTest, WhatIsReadDependsOnInstructionAndPicture) {
  const QFormer qformer = load(/*reads_instruction=*/true);
  const at::Tensor one = wave({1, 7, kVision}, 0.3), other = wave({1, 7, kVision}, 0.4);
  const at::Tensor got = qformer.forward(kInstructions[0], one);
  EXPECT_GT(largest_difference(got, qformer.forward(kInstructions[2], one)), 1e-3);
  EXPECT_GT(largest_difference(got, qformer.forward(kInstructions[0], other)), 1e-3);
}

TEST_P(QFormerTest, QueriesWithoutInstructionsAreReadTogetherAsEachAlone) {
  const QFormer qformer = load(/*reads_instruction=*/false);
  const at::Tensor visual = wave({3, 7, kVision}, 0.3);
  const at::Tensor got = qformer.forward({}, visual);
  for (std::int64_t i = 0; i < 3; ++i) {
    expect_same(got.narrow(0, i, 1), qformer.forward({}, visual.narrow(0, i, 1)));
  }
}

INSTANTIATE_TEST_SUITE_P(Orders, QFormerTest, testing::Bool(), [](const auto& test) {
  return std::string(test.param ? "deterministic" : "reference");
});

}  // namespace
}  // namespace instructblip
