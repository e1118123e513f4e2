// Candidate answers against the reference, which runs each by itself. rankings.json is made by
// make_rankings.py.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "core/json.h"
#include "golden/golden_requests.h"
#include "instructblip/pipeline.h"
#include "support/expect_error.h"

namespace instructblip {
namespace {

using namespace test;  // NOLINT: what a golden file asks and expects

std::vector<Json> rankings() {
  return Json::read(kCheckpoints.parent_path() / "rankings.json").at("rankings").elements();
}

std::vector<std::string> strings(const Json& json) {
  std::vector<std::string> strings;
  for (const Json& element : json.elements()) strings.push_back(element.string());
  return strings;
}

class RankingTest : public testing::TestWithParam<Json> {
 protected:
  const Json golden_ = GetParam();
  const std::vector<std::string> candidates_ = strings(golden_.at("candidates"));
  const std::string instruction_ = golden_.at("instruction").string();
  const std::vector<Image> images_ = images_of(golden_);
  const Pipeline pipeline_ = Pipeline::load(kCheckpoints / golden_.at("checkpoint").string());

  double sum_of(std::size_t index) const {
    const std::vector<double> logprobs = golden_.at("logprobs")[index].numbers();
    return std::accumulate(logprobs.begin(), logprobs.end(), 0.0);
  }
};

TEST_P(RankingTest, TokensAndLogProbabilitiesAreTheReferences) {
  const auto ranked = pipeline_.rank(images_, instruction_, candidates_);
  ASSERT_EQ(ranked.size(), candidates_.size());
  double total = 0, before = 0;
  for (const RankedCandidate& one : ranked) {
    SCOPED_TRACE(candidates_[one.index]);
    EXPECT_EQ(one.tokens, ids_of(golden_.at("tokens")[one.index]));
    const std::vector<double> want = golden_.at("logprobs")[one.index].numbers();
    ASSERT_EQ(one.logprobs.size(), want.size());
    for (std::size_t i = 0; i < want.size(); ++i) {
      EXPECT_NEAR(one.logprobs[i], want[i], 1e-3 + 1e-4 * std::abs(want[i])) << "token " << i;
    }
    EXPECT_NEAR(one.score, sum_of(one.index), 1e-2);
    if (total > 0) {
      EXPECT_LE(one.score, before);
    }
    before = one.score;
    total += one.probability;
  }
  EXPECT_NEAR(total, 1, 1e-9);
}

TEST_P(RankingTest, CandidateHasTheScoreThatItHasAlone) {
  for (const RankedCandidate& one : pipeline_.rank(images_, instruction_, candidates_)) {
    const auto alone = pipeline_.rank(images_, instruction_, std::span(&candidates_[one.index], 1));
    EXPECT_NEAR(alone.front().score, one.score, 1e-3) << candidates_[one.index];
    EXPECT_EQ(alone.front().probability, 1);
  }
}

TEST_P(RankingTest, MeanDividesByTheTokens) {
  for (const RankedCandidate& one :
       pipeline_.rank(images_, instruction_, candidates_, {.by = RankBy::mean})) {
    EXPECT_NEAR(one.score, sum_of(one.index) / static_cast<double>(one.tokens.size()), 1e-2);
  }
}

TEST_P(RankingTest, EndTokenCanBeLeftOut) {
  for (const RankedCandidate& one :
       pipeline_.rank(images_, instruction_, candidates_, {.end_token = false})) {
    const double end = golden_.at("logprobs")[one.index].numbers().back();
    EXPECT_NEAR(one.score, sum_of(one.index) - end, 1e-2);
    EXPECT_EQ(one.tokens.size() + 1, golden_.at("tokens")[one.index].size());
  }
}

std::string name_of(const testing::TestParamInfo<Json>& test) {
  return test.param.at("checkpoint").string() + "_" + std::to_string(test.index);
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, RankingTest, testing::ValuesIn(rankings()), name_of);

class RankTest : public testing::Test {
 protected:
  const Pipeline pipeline_ = Pipeline::load(kCheckpoints / "vicuna_2024", {.cache_bytes = 0});
  const Image image_ = images_of(rankings().front()).front();

  std::vector<RankedCandidate> rank(const std::vector<std::string>& candidates,
                                    const RankOptions& options = {}) const {
    return pipeline_.rank(image_, "Why?", candidates, options);
  }
};

// Beginnings of all token lists that go on, the empty one left out: nodes of a trie that are run.
std::size_t inner_nodes(const std::vector<RankedCandidate>& ranked) {
  std::set<std::vector<std::int32_t>> nodes;
  for (const RankedCandidate& one : ranked) {
    for (std::size_t n = 1; n < one.tokens.size(); ++n) {
      nodes.insert({one.tokens.begin(), one.tokens.begin() + static_cast<std::ptrdiff_t>(n)});
    }
  }
  return nodes.size();
}

// However many there are: one picture, one prompt, and every beginning once.
TEST_F(RankTest, ThousandCandidatesReadTheirPromptOnce) {
  std::vector<std::string> candidates;
  for (int i = 0; i < 1000; ++i) {
    candidates.push_back((i % 2 ? "a photo of number " : "the ") + std::to_string(i));
  }
  const Usage before = pipeline_.usage();
  const auto ranked = rank(candidates);
  const Usage after = pipeline_.usage();
  EXPECT_EQ(after.vision_views - before.vision_views, 1);
  EXPECT_EQ(after.qformer_pictures - before.qformer_pictures, 1);
  EXPECT_EQ(after.prompts - before.prompts, 1);
  EXPECT_EQ(after.step_rows - before.step_rows, static_cast<std::int64_t>(inner_nodes(ranked)));
  for (const std::size_t i : {std::size_t{0}, std::size_t{500}, std::size_t{999}}) {
    const auto alone = rank({candidates[ranked[i].index]});
    EXPECT_NEAR(alone.front().score, ranked[i].score, 1e-3);
  }
}

TEST_F(RankTest, SpellingsOfACandidateAddUp) {
  const std::vector<std::string> labels = {"yes", "no"};
  const std::vector<std::string> all = {"yes", "true", "right", "no", "false"};
  std::map<std::string, double> alone;
  for (const RankedCandidate& one : rank(all)) alone[all[one.index]] = one.score;
  const auto ranked = rank(labels, {.spellings = {{"true", "right"}, {"false"}}});
  ASSERT_EQ(ranked.size(), 2u);
  for (const RankedCandidate& one : ranked) {
    double sum = 0, best = -1e9;
    std::string likeliest;
    const std::vector<std::string> own = one.index == 0
                                             ? std::vector<std::string>{"yes", "true", "right"}
                                             : std::vector<std::string>{"no", "false"};
    for (const std::string& spelling : own) {
      sum += std::exp(alone[spelling]);
      if (alone[spelling] > best) likeliest = spelling;
      best = std::max(best, alone[spelling]);
    }
    EXPECT_NEAR(one.score, std::log(sum), 1e-3);
    EXPECT_EQ(own[one.spelling], likeliest);
    EXPECT_EQ(one.tokens.size(), one.logprobs.size());
  }
}

TEST_F(RankTest, BadOptionsAreNamed) {
  expect_error(ErrorCode::invalid_argument, "spellings: expected a list for each of 2 candidates",
               [&] {
                 rank({"yes", "no"}, {.spellings = {{"true"}}});
               });
  expect_error(ErrorCode::invalid_argument, "candidate 2, spelling 1: the text is not valid UTF-8",
               [&] {
                 rank({"yes", "no"}, {.spellings = {{}, {"\xff"}}});
               });
  expect_error(ErrorCode::invalid_argument, "without_picture: expected a finite number", [&] {
    rank({"yes", "no"}, {.without_picture = -1});
  });
}

// More than are scored at once.
TEST_F(RankTest, ManyCandidatesAreRankedAsOneList) {
  std::vector<std::string> candidates;
  for (int i = 0; i < 150; ++i) candidates.push_back("number " + std::to_string(i));
  const auto ranked = rank(candidates);
  ASSERT_EQ(ranked.size(), 150u);
  std::vector<bool> seen(150, false);
  for (const RankedCandidate& one : ranked) seen[one.index] = true;
  EXPECT_TRUE(std::ranges::all_of(seen, [](bool is) { return is; }));
  EXPECT_TRUE(std::ranges::is_sorted(ranked, std::ranges::greater(), &RankedCandidate::score));
  for (const std::size_t i : {std::size_t{0}, std::size_t{77}, std::size_t{149}}) {
    const auto alone = rank({candidates[ranked[i].index]});
    EXPECT_NEAR(alone.front().score, ranked[i].score, 1e-3);
  }
}

// As long as several are together, more than are scored at once.
TEST_F(RankTest, LongCandidatesAreScoredFewAtATime) {
  std::vector<std::string> candidates;
  for (int i = 0; i < 4; ++i) {
    std::string text;
    for (int word = 0; word < 200 * (i + 1); ++word) text += "the dog ";
    candidates.push_back(text + "and " + std::to_string(i));
  }
  for (const RankedCandidate& one : rank(candidates)) {
    const auto alone = rank({candidates[one.index]});
    EXPECT_EQ(alone.front().tokens, one.tokens);
    EXPECT_NEAR(alone.front().score, one.score, 1e-3 * std::abs(one.score));
  }
}

TEST_F(RankTest, CandidateBeyondTheLastPositionIsRefusedAtOnce) {
  const Pipeline opt = Pipeline::load(kCheckpoints / "blip2_opt");
  std::string text;
  for (int word = 0; word < 1500; ++word) text += "x ";
  const std::vector<std::string> candidates = {"cat", text};
  expect_error(ErrorCode::invalid_argument, "as many as the language model has",
               [&] { opt.rank(image_, "Why?", candidates); });
}

TEST_F(RankTest, EqualCandidatesKeepTheirOrder) {
  const auto ranked = rank({"cat", "dog", "cat"});
  std::vector<std::size_t> cats;
  for (const RankedCandidate& one : ranked) {
    if (one.index != 1) cats.push_back(one.index);
  }
  EXPECT_EQ(cats, (std::vector<std::size_t>{0, 2}));
}

TEST_F(RankTest, EncodedPictureWillDo) {
  const std::vector<std::string> candidates = {"cat", "dog"};
  const auto expected = rank(candidates);
  const auto got = pipeline_.rank(pipeline_.encode(image_), "Why?", candidates);
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(got[0].index, expected[0].index);
  EXPECT_EQ(got[0].logprobs, expected[0].logprobs);
}

TEST_F(RankTest, BadCandidatesAreNamed) {
  expect_error(ErrorCode::invalid_argument, "rank: expected 1 to 65536 candidates, got 0",
               [&] { rank({}); });
  expect_error(ErrorCode::invalid_argument, "candidate 2: the text is empty", [&] {
    rank({"cat", ""}, {.end_token = false});
  });
  expect_error(ErrorCode::invalid_argument, "candidate 1: the text is not valid UTF-8 at byte 1",
               [&] { rank({"c\xff"}); });
}

TEST_F(RankTest, StopIsAnError) {
  std::stop_source stop;
  stop.request_stop();
  const std::vector<std::string> candidates = {"cat"};
  expect_error(ErrorCode::cancelled, "stopped before every candidate",
               [&] { pipeline_.rank(image_, "Why?", candidates, {}, {.stop = stop.get_token()}); });
}

TEST_F(RankTest, CallbackIsNotCalled) {
  int calls = 0;
  const auto count = [&](const TokenEvent&) {
    ++calls;
    return Flow::go;
  };
  const std::vector<std::string> candidates = {"cat", "dog"};
  pipeline_.rank(image_, "Why?", candidates, {}, {.on_token = count});
  EXPECT_EQ(calls, 0);
}

}  // namespace
}  // namespace instructblip
