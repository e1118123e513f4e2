// How likely given answers are, against the same sums made one candidate at a time.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <set>
#include <stop_token>

#include "decoding/candidate_scoring.h"
#include "decoding/log_softmax.h"
#include "instructblip/error.h"
#include "unit/decoding/fake_session.h"

namespace instructblip::testing {
namespace {

using Tokens = std::vector<std::int32_t>;

class Candidates : public ::testing::Test {
 protected:
  Candidates() {
    model_.vocabulary = 50;
    model_.seed = 11;
    request_.prompt_ids = {3, 1};
    request_.options = filled({});
  }

  std::vector<DecodedSequence> scored(const std::vector<Tokens>& candidates,
                                      const ScoringLimits& limits = {}) {
    FakeSession session(model_, request_.prompt_ids);
    const auto search = make_candidate_scoring(request_, candidates, model_.vocabulary, limits);
    rows_ = most_rows_ = 0;
    return decode(session, *search,
                  [&](std::span<const float> logits) {
                    const auto width = static_cast<std::size_t>(model_.vocabulary);
                    rows_ += logits.size() / width;
                    most_rows_ = std::max(most_rows_, logits.size() / width);
                    return std::make_unique<HostLogits>(logits, width);
                  })
        .sequences;
  }

  std::vector<float> by_itself(const Tokens& candidate) const {
    Tokens history = request_.prompt_ids;
    std::vector<float> logprobs;
    for (const std::int32_t token : candidate) {
      const std::vector<float> logits = model_.logits(history);
      logprobs.push_back(log_normalizer(logits)(logits[static_cast<std::size_t>(token)]));
      history.push_back(token);
    }
    return logprobs;
  }

  FakeModel model_;
  DecodeRequest request_;
  std::size_t rows_ = 0;       // rows of all steps
  std::size_t most_rows_ = 0;  // rows of the widest
};

// Beginnings of the candidates that go on, the empty one included: what has to be run.
std::size_t beginnings(const std::vector<Tokens>& candidates) {
  std::set<Tokens> inner;
  for (const Tokens& candidate : candidates) {
    for (std::size_t n = 0; n < candidate.size(); ++n) {
      inner.insert({candidate.begin(), candidate.begin() + static_cast<std::ptrdiff_t>(n)});
    }
  }
  return inner.size();
}

// Short and long ones that share beginnings of many lengths.
std::vector<Tokens> bushy(std::size_t count) {
  std::mt19937 random(5);
  std::vector<Tokens> all;
  for (std::size_t i = 0; i < count; ++i) {
    Tokens candidate(1 + random() % 9);
    for (std::int32_t& token : candidate) token = static_cast<std::int32_t>(random() % 4);
    all.push_back(std::move(candidate));
  }
  return all;
}

TEST_F(Candidates, EachHasTheScoreThatItHasAlone) {
  // Shared beginnings, one that ends where others go on, twice the same, and all out of order.
  const std::vector<Tokens> candidates = {{7, 8, 9}, {4},       {7, 8},    {7, 9, 9, 9, 9},
                                          {4},       {8, 8, 9}, {7, 8, 1}, {49}};
  const auto result = scored(candidates);
  ASSERT_EQ(result.size(), candidates.size());
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const std::vector<float> expected = by_itself(candidates[i]);
    EXPECT_EQ(result[i].tokens, candidates[i]);
    EXPECT_EQ(result[i].logprobs, expected);
    EXPECT_DOUBLE_EQ(result[i].score, std::accumulate(expected.begin(), expected.end(), 0.0));
  }
}

TEST_F(Candidates, SharedBeginningsAreRunOnce) {
  scored({{7, 8, 9}, {7, 8, 1}, {7, 8, 2}, {7, 9, 3}});
  EXPECT_EQ(rows_, 1u /*prompt*/ + 1 /*7*/ + 2 /*78, 79*/);
  scored({{1}, {2}, {3}});
  EXPECT_EQ(rows_, 1u);
}

// However few rows a step may have, the model goes back for what it has left behind, and no
// beginning is run twice.
TEST_F(Candidates, LimitsChangeNeitherScoresNorWhatIsRun) {
  const std::vector<Tokens> candidates = bushy(300);
  const auto expected = scored(candidates);
  EXPECT_EQ(rows_, beginnings(candidates));
  for (const ScoringLimits limits : {ScoringLimits{1, 2048}, ScoringLimits{3, 2048},
                                     ScoringLimits{7, 12}, ScoringLimits{64, 1}}) {
    SCOPED_TRACE(std::to_string(limits.rows) + " rows, " + std::to_string(limits.tokens));
    const auto got = scored(candidates, limits);
    EXPECT_EQ(rows_, beginnings(candidates));
    EXPECT_LE(most_rows_, limits.rows);
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      EXPECT_EQ(got[i].logprobs, expected[i].logprobs) << i;
      EXPECT_EQ(got[i].logprobs, by_itself(candidates[i])) << i;
    }
  }
}

TEST_F(Candidates, LongOnesAreRunFewAtATime) {
  std::vector<Tokens> candidates;
  for (std::int32_t i = 0; i < 10; ++i) candidates.emplace_back(100, i);
  scored(candidates, {64, 300});
  EXPECT_EQ(most_rows_, 3u);
  EXPECT_EQ(rows_, beginnings(candidates));
}

// One of all answers of two tokens must come.
TEST_F(Candidates, ProbabilitiesOfAllAddUpToOne) {
  model_.vocabulary = 9;
  std::vector<Tokens> all;
  for (std::int32_t a = 0; a < 9; ++a) {
    for (std::int32_t b = 0; b < 9; ++b) all.push_back({a, b});
  }
  double total = 0;
  for (const DecodedSequence& sequence : scored(all)) total += std::exp(sequence.score);
  EXPECT_NEAR(total, 1, 1e-5);
}

TEST_F(Candidates, StopIsAnErrorAndNotHalfARanking) {
  std::stop_source stop;
  request_.stop = stop.get_token();
  stop.request_stop();
  try {
    scored({{1, 2}});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::cancelled);
  }
}

TEST_F(Candidates, TokenThatNoAnswerCanHaveIsRefused) {
  try {
    scored({{1, 50}});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    EXPECT_NE(std::string(error.what()).find("token 50"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace instructblip::testing
