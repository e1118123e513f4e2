// Greedy and beam search against generate() of transformers: same ids, same scores.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "unit/decoding/fake_session.h"

namespace instructblip::testing {
namespace {

// Compares with the goldens' [tokens, score, sum of raw log probabilities]; true where equal.
bool matches(const GoldenCase& golden, const DecodeResult& result) {
  const auto expected = golden.json.at("answers").elements();
  if (result.sequences.size() != expected.size()) return false;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const DecodedSequence& got = result.sequences[i];
    const auto tokens = expected[i][0].integers();
    if (!std::equal(tokens.begin(), tokens.end(), got.tokens.begin(), got.tokens.end())) {
      return false;
    }
    const double raw = std::accumulate(got.logprobs.begin(), got.logprobs.end(), 0.0);
    const double score = expected[i][1].number();
    if (std::abs(got.score - score) > 2e-6 * std::max(1.0, std::abs(score))) return false;
    if (std::abs(raw - expected[i][2].number()) > 1e-4) return false;
    if (got.logprobs.size() != got.tokens.size()) return false;
  }
  return true;
}

std::string got_text(const DecodeResult& result) {
  std::string text;
  for (const DecodedSequence& sequence : result.sequences) {
    text += ::testing::PrintToString(sequence.tokens) + " score " +
            ::testing::PrintToString(sequence.score) + "\n";
  }
  return text;
}

DecodeResult run(const GoldenCase& golden, const DecodeRequest& request) {
  FakeSession session(golden.model, request.prompt_ids);
  return decode(session, request);
}

TEST(GoldenSearch, IdsAndScoresAreThoseOfTheReference) {
  std::size_t beams = 0, banned = 0;
  const auto cases = golden_cases("search.json");
  for (const GoldenCase& golden : cases) {
    const DecodeResult result = run(golden, golden.request);
    EXPECT_TRUE(matches(golden, result)) << golden.json.dump() << "\ngot\n" << got_text(result);
    banned += golden.request.options.bad_words_ids->empty() ? 0 : 1;
    beams += *golden.request.options.num_beams > 1 ? 1 : 0;
  }
  EXPECT_GE(cases.size(), 300u);
  EXPECT_GE(beams, 200u);
  EXPECT_GE(banned, 30u);
}

TEST(GoldenSearch, ForcedTokensAndWhatRepairsScoresAreThoseOfTheReference) {
  std::size_t first = 0, last = 0, repaired = 0, renormalized = 0;
  for (const GoldenCase& golden : golden_cases("forced.json")) {
    const DecodeResult result = run(golden, golden.request);
    EXPECT_TRUE(matches(golden, result)) << golden.json.dump() << "\ngot\n" << got_text(result);
    const GenerationConfig& options = golden.request.options;
    first += *options.forced_bos_token_id >= 0 && golden.request.prompt_ids.size() == 1 ? 1 : 0;
    last += options.forced_eos_token_id->empty() ? 0 : 1;
    repaired += *options.remove_invalid_values ? 1 : 0;
    renormalized += *options.renormalize_logits && *options.num_beams > 1 ? 1 : 0;
  }
  EXPECT_GE(first, 10u);
  EXPECT_GE(last, 20u);
  EXPECT_GE(repaired, 20u);
  EXPECT_GE(renormalized, 20u);
}

TEST(GoldenSearch, RunsOfBadWordsBeginWithTheFirstIdForTransformers5Alone) {
  const auto cases = golden_cases("search_5.json");
  for (const GoldenCase& golden : cases) {
    DecodeRequest request = golden.request;
    EXPECT_FALSE(matches(golden, run(golden, request))) << golden.json.dump();
    request.bad_words_from_first_id = true;
    const DecodeResult result = run(golden, request);
    EXPECT_TRUE(matches(golden, result)) << golden.json.dump() << "\ngot\n" << got_text(result);
  }
  EXPECT_GE(cases.size(), 25u);
}

// LAVIS's. Where it differs from today's, so do some of these answers.
TEST(GoldenSearch, OldBeamScorerIsTransformers433) {
  std::size_t different = 0;
  const auto cases = golden_cases("search_4_33.json");
  for (const GoldenCase& golden : cases) {
    DecodeRequest request = golden.request;
    different += matches(golden, run(golden, request)) ? 0 : 1;
    request.beam_scorer = BeamScorer::transformers_4_33;
    const DecodeResult result = run(golden, request);
    EXPECT_TRUE(matches(golden, result)) << golden.json.dump() << "\ngot\n" << got_text(result);
    for (const DecodedSequence& sequence : result.sequences) {
      const bool at_end = std::ranges::count(request.stop_ids, sequence.tokens.back()) > 0;
      EXPECT_EQ(sequence.finish_reason, at_end ? FinishReason::stop : FinishReason::length);
    }
  }
  EXPECT_GE(cases.size(), 100u);
  EXPECT_GT(different, cases.size() / 10);
}

TEST(GoldenSearch, FinishReasonNamesTheLastToken) {
  int stopped = 0;
  int cut = 0;
  for (const GoldenCase& golden : golden_cases("search.json")) {
    FakeSession session(golden.model, golden.request.prompt_ids);
    for (const DecodedSequence& sequence : decode(session, golden.request).sequences) {
      if (sequence.score < -1e8 || sequence.tokens.empty()) continue;  // never completed
      const auto& stop_ids = golden.request.stop_ids;
      const bool at_end =
          std::find(stop_ids.begin(), stop_ids.end(), sequence.tokens.back()) != stop_ids.end();
      EXPECT_EQ(sequence.finish_reason, at_end ? FinishReason::stop : FinishReason::length)
          << golden.json.dump();
      ++(at_end ? stopped : cut);
    }
  }
  EXPECT_GT(stopped, 50);
  EXPECT_GT(cut, 50);
}

TEST(GoldenSearch, StopStringsAreThoseOfTheReference) {
  int completed = 0;
  for (const GoldenCase& golden : golden_cases("stops.json")) {
    std::vector<std::string> pieces;
    for (const Json& piece : golden.json.at("pieces").elements()) pieces.push_back(piece.string());
    std::vector<std::string> stops;
    for (const Json& stop : golden.json.at("stop").elements()) stops.push_back(stop.string());
    const auto detokenize = [&](std::span<const std::int32_t> tokens) {
      std::string text;
      for (const std::int32_t token : tokens) text += pieces.at(static_cast<std::size_t>(token));
      return text;
    };
    const TextStopMatcher matcher(stops, detokenize);
    DecodeRequest request = golden.request;
    request.stops = &matcher;
    FakeSession session(golden.model, request.prompt_ids);
    const DecodeResult result = decode(session, request);
    EXPECT_TRUE(matches(golden, result)) << golden.json.dump() << "\ngot\n" << got_text(result);
    for (const DecodedSequence& sequence : result.sequences) {
      if (!matcher.completes_stop(sequence.tokens)) continue;
      EXPECT_EQ(sequence.finish_reason, FinishReason::stop);
      EXPECT_TRUE(find_stop(detokenize(sequence.tokens), stops));
      ++completed;
    }
  }
  EXPECT_GT(completed, 10);
}

}  // namespace
}  // namespace instructblip::testing
