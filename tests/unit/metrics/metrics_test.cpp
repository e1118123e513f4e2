// The measures against their public implementations. metrics.json is made by
// tests/golden/make_metrics.py.
#include "instructblip/metrics.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "core/json.h"
#include "support/expect_error.h"

namespace instructblip {
namespace {

using namespace test;  // NOLINT: support

const Json& golden() {
  static const Json all =
      Json::read(std::filesystem::path(INSTRUCTBLIP_SOURCE_DIR) / "tests/golden/metrics.json");
  return all;
}

std::vector<std::string> strings(const Json& json) {
  std::vector<std::string> strings;
  for (const Json& element : json.elements()) strings.push_back(element.string());
  return strings;
}

TEST(VqaAccuracy, NormalisesAsTheScript) {
  const std::vector<Json> all = golden().at("normalised").elements();
  ASSERT_GT(all.size(), 150u);  // every contraction of its table among them
  for (const Json& one : all) {
    EXPECT_EQ(normalised_answer(one.at("text").string()), one.at("is").string())
        << one.at("text").string();
  }
}

TEST(VqaAccuracy, IsTheScripts) {
  for (const Json& one : golden().at("vqa").elements()) {
    EXPECT_NEAR(vqa_accuracy(one.at("answer").string(), strings(one.at("people"))),
                one.at("accuracy").number(), 1e-9)
        << one.at("answer").string();
  }
  expect_error(ErrorCode::invalid_argument, "vqa_accuracy: expected the answer of one person",
               [] { vqa_accuracy("yes", {}); });
}

TEST(ExactMatch, ComparesTheNormalisedAnswer) {
  const std::vector<std::string> right = {"dog", "2"};
  EXPECT_EQ(exact_match("A dog.", right), 1);
  EXPECT_EQ(exact_match("two", right), 1);
  EXPECT_EQ(exact_match("dogs", right), 0);
}

TEST(ReciprocalRank, CountsFromOne) {
  const std::vector<std::size_t> ranking = {4, 2, 0};
  EXPECT_EQ(reciprocal_rank(ranking, 4), 1);
  EXPECT_EQ(reciprocal_rank(ranking, 0), 1.0 / 3);
  EXPECT_EQ(reciprocal_rank(ranking, 7), 0);
}

TEST(RocAuc, IsScikitLearns) {
  for (const Json& one : golden().at("curves").elements()) {
    std::vector<bool> positive;
    for (const Json& is : one.at("positive").elements()) positive.push_back(is.boolean());
    EXPECT_NEAR(roc_auc(one.at("scores").numbers(), positive), one.at("auc").number(), 1e-12);
  }
  const std::vector<double> scores = {1, 2};
  expect_error(ErrorCode::invalid_argument, "roc_auc: expected a finite score", [&] {
    roc_auc(scores, {true, true});
  });
  expect_error(ErrorCode::invalid_argument, "roc_auc", [&] {
    roc_auc(scores, {true, false, true});
  });
}

TEST(CaptionWords, AreTheStanfordTokenizers) {
  for (const Json& one : golden().at("words").elements()) {
    EXPECT_EQ(caption_words(one.at("text").string()), one.at("words").string());
  }
}

TEST(Cider, IsTheCocoEvaluations) {
  std::vector<CaptionPair> pairs;
  std::vector<double> expected;
  for (const Json& one : golden().at("cider").elements()) {
    pairs.push_back({one.at("caption").string(), strings(one.at("references"))});
    expected.push_back(one.at("score").number());
  }
  const std::vector<double> scores = cider(pairs);
  ASSERT_EQ(scores.size(), expected.size());
  for (std::size_t i = 0; i < scores.size(); ++i) EXPECT_NEAR(scores[i], expected[i], 1e-9) << i;
  pairs.front().references.clear();
  expect_error(ErrorCode::invalid_argument, "cider: picture 1 has no reference",
               [&] { cider(pairs); });
}

}  // namespace
}  // namespace instructblip
