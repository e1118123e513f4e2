// What is computed over one row of scores.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "decoding/log_softmax.h"
#include "decoding/logits_processors.h"
#include "decoding/top_k.h"
#include "decoding/warpers.h"
#include "kernels/log_sum_exp.h"
#include "unit/decoding/fake_session.h"

namespace instructblip::testing {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST(Rows, TopKPicksWhatTorchPicksAmongEquals) {
  for (const GoldenCase& golden : golden_cases("rows.json")) {
    const auto row = golden.model.logits(golden.request.prompt_ids);
    const auto expected = golden.json.at("indices").integers();
    std::vector<std::int64_t> got;
    for (const Ranked& ranked : top_k(row, expected.size())) {
      EXPECT_EQ(ranked.value, row[static_cast<std::size_t>(ranked.index)]);
      got.push_back(ranked.index);
    }
    EXPECT_EQ(got, expected) << golden.json.dump();
  }
}

TEST(Rows, LogSumIsTorchsToTheBit) {
  std::size_t equal = 0;
  const auto cases = golden_cases("rows.json");
  for (const GoldenCase& golden : cases) {
    const auto row = golden.model.logits(golden.request.prompt_ids);
    const auto expected = static_cast<float>(golden.json.at("log_sum").number());
    const float got = log_normalizer(row).log_sum;
    EXPECT_NEAR(got, expected, 2e-7 * std::max(1.0f, std::abs(expected))) << golden.json.dump();
    equal += got == expected ? 1 : 0;
  }
  EXPECT_GE(equal * 100, cases.size() * 98);
}

// Other machines than this one give torch's bits as well.
TEST(Rows, LogSumIsTorchsToTheBitInEveryKernel) {
  const auto cases = golden_cases("rows.json");
  kernels::SerialQueue queue;
  for (const kernels::LogSumExpKernel& kernel : kernels::log_sum_exp_kernels()) {
    const kernels::LogSumExpProblem one{.rows = 1, .size = 1};
    if (kernel.name == "reference" || !kernel.supports(one, kernels::this_machine())) continue;
    std::size_t equal = 0;
    for (const GoldenCase& golden : cases) {
      const auto row = golden.model.logits(golden.request.prompt_ids);
      float max = 0.0f;
      float log_sum = 0.0f;
      const kernels::LogSumExpProblem problem{.rows = 1,
                                              .size = static_cast<std::int64_t>(row.size())};
      kernel.run(problem, {row.data(), &max, &log_sum}, queue);
      equal += log_sum == static_cast<float>(golden.json.at("log_sum").number()) ? 1 : 0;
    }
    EXPECT_GE(equal * 100, cases.size() * 98) << kernel.name;
  }
}

TEST(Rows, LogSoftmaxIsAccurateOverTheWholeRange) {
  for (const std::size_t size : {1u, 2u, 15u, 16u, 17u, 31u, 1000u}) {
    for (const float spread : {1e-3f, 1.0f, 30.0f, 1e3f, 1e30f}) {
      std::vector<float> row(size);
      for (std::size_t i = 0; i < size; ++i) {
        row[i] = spread * static_cast<float>(std::sin(static_cast<double>(i * i + 1)));
      }
      double max = row[0];
      for (const float x : row) max = std::max(max, static_cast<double>(x));
      double sum = 0;
      for (const float x : row) sum += std::exp(static_cast<double>(x) - max);
      const LogNormalizer normalizer = log_normalizer(row);
      for (std::size_t i = 0; i < size; ++i) {
        const double expected = static_cast<double>(row[i]) - max - std::log(sum);
        EXPECT_NEAR(normalizer(row[i]), expected, 1e-6 * std::max(1.0, std::abs(expected)));
      }
    }
  }
}

TEST(Rows, LogSoftmaxLeavesBannedTokensOut) {
  const std::vector<float> row{-kInfinity, 0, -kInfinity, 0};
  const LogNormalizer normalizer = log_normalizer(row);
  EXPECT_EQ(normalizer(row[0]), -kInfinity);
  EXPECT_NEAR(normalizer(row[1]), -std::log(2.0f), 1e-7);
}

TEST(Rows, ArgMaxTakesTheFirstOfEquals) {
  EXPECT_EQ(arg_max(std::vector<float>{1, 3, 2, 3}), 1u);
  EXPECT_EQ(arg_max(std::vector<float>{-kInfinity, -kInfinity}), 0u);
}

TEST(Rows, RepetitionIsPenalisedOncePerTokenAndIdsOutsideAreIgnored) {
  GenerationConfig options;
  options.repetition_penalty = 2;
  LogitsProcessors processors(filled(options), {}, 0, false, 4);
  const std::vector<std::int32_t> sequence{0, 1, 0, 99, -1, 1, 4};
  const std::vector<ScoreEdit> edits = processors.edits(sequence);
  EXPECT_EQ(edits, (std::vector<ScoreEdit>{{0, false}, {1, false}}));
  std::vector<float> scores{2, -2, 4, -4};
  processors.process(scores, edits, sequence);
  EXPECT_EQ(scores, (std::vector<float>{1, -4, 4, -4}));
  EXPECT_EQ(processors.edits(sequence), edits);  // nothing is left of the last time
  EXPECT_EQ(processors.edits({}), std::vector<ScoreEdit>{});
}

TEST(Rows, BanStandsAboveAPenaltyAndEditsAreInOrder) {
  ScoreEdits edits(9);
  edits.ban(std::vector<std::int32_t>{7, 2, -1, 9});
  edits.penalize(std::vector<std::int32_t>{8, 7, 0});
  edits.ban(std::vector<std::int32_t>{0, 2});
  EXPECT_EQ(edits.take(), (std::vector<ScoreEdit>{{0, true}, {2, true}, {7, true}, {8, false}}));
  EXPECT_TRUE(edits.take().empty());
}

TEST(Rows, NGramsAreBannedWhereTheyWouldRepeat) {
  const auto banned = [](std::vector<std::int32_t> sequence, std::size_t size) {
    ScoreEdits edits(6);
    ban_repeated_ngrams(edits, sequence, size);
    return tokens_of(edits.take());
  };
  EXPECT_EQ(banned({1, 2, 3, 1, 2}, 3), (std::vector<int>{3}));
  EXPECT_EQ(banned({1, 2, 1, 4, 1}, 2), (std::vector<int>{2, 4}));
  EXPECT_EQ(banned({1, 2, 1}, 1), (std::vector<int>{1, 2}));
  EXPECT_EQ(banned({1, 2}, 3), (std::vector<int>{}));
  EXPECT_EQ(banned({1, 1}, 3), (std::vector<int>{}));
  EXPECT_EQ(banned({1, 99, 1}, 2), (std::vector<int>{}));  // a placeholder outside the vocabulary
  EXPECT_EQ(banned({}, 1), (std::vector<int>{}));
}

TEST(Rows, DrawFollowsTheSharesAndNeverTakesAZero) {
  const std::vector<double> weights{0, 1, 0, 3, 0};
  EXPECT_EQ(draw(weights, 0.0), 1u);
  EXPECT_EQ(draw(weights, 0.2499), 1u);
  EXPECT_EQ(draw(weights, 0.2501), 3u);
  EXPECT_EQ(draw(weights, 1.0 - 0x1p-53), 3u);
  EXPECT_EQ(draw(weights, 1.0), 3u);
}

}  // namespace
}  // namespace instructblip::testing
