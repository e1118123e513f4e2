// How likely given answers are, against the same sums made one candidate at a time.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
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

  std::vector<DecodedSequence> scored(const std::vector<Tokens>& candidates) {
    FakeSession session(model_, request_.prompt_ids);
    const auto search = make_candidate_scoring(request_, candidates, model_.vocabulary);
    rows_ = 0;
    return decode(session, *search,
                  [&](std::span<const float> logits) {
                    const auto width = static_cast<std::size_t>(model_.vocabulary);
                    rows_ += logits.size() / width;
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
  std::size_t rows_ = 0;  // rows of all steps
};

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
