// The distribution that tokens are drawn from, against the reference's processors; then the draws.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "decoding/log_softmax.h"
#include "decoding/logits_processors.h"
#include "decoding/warpers.h"
#include "unit/decoding/fake_session.h"

namespace instructblip::testing {
namespace {

// The probabilities, [vocabulary], that the next token is drawn from after `new_tokens`: softmax of
// the processed logits (with beams: of the processed log probabilities of one hypothesis). The
// reference draws with another generator, so that this is what can be compared.
std::vector<double> next_token_distribution(std::span<const float> logits,
                                            const DecodeRequest& request,
                                            std::span<const std::int32_t> new_tokens) {
  std::vector<float> scores(logits.begin(), logits.end());
  if (*request.options.num_beams > 1)
    std::ranges::transform(scores, scores.begin(), log_normalizer(logits));
  std::vector<std::int32_t> sequence = request.prompt_ids;
  sequence.insert(sequence.end(), new_tokens.begin(), new_tokens.end());
  LogitsProcessors processors(request.options, request.stop_ids, request.prompt_ids.size(),
                              request.bad_words_from_first_id, scores.size());
  processors.process(scores, processors.edits(sequence), sequence);
  Warpers(request.options, request.stop_ids.size()).apply(scores);
  std::vector<double> probabilities = softmax_weights(scores);
  double total = 0;
  for (const double weight : probabilities) total += weight;
  for (double& probability : probabilities) probability /= total;
  return probabilities;
}

TEST(GoldenWarped, ProbabilitiesAreThoseOfTheReference) {
  std::size_t filtered = 0, below_min_p = 0;
  for (const GoldenCase& golden : golden_cases("warped.json")) {
    std::vector<std::int32_t> new_tokens;
    for (const auto id : golden.json.at("new_tokens").integers()) {
      new_tokens.push_back(static_cast<std::int32_t>(id));
    }
    std::vector<std::int32_t> history = golden.request.prompt_ids;
    history.insert(history.end(), new_tokens.begin(), new_tokens.end());
    const auto got =
        next_token_distribution(golden.model.logits(history), golden.request, new_tokens);
    std::vector<double> expected(got.size(), 0.0);
    for (const Json& entry : golden.json.at("probabilities").elements()) {
      expected[static_cast<std::size_t>(entry[0].integer())] = entry[1].number();
    }
    double worst = 0;
    for (std::size_t i = 0; i < got.size(); ++i) {
      worst = std::max(worst, std::abs(got[i] - expected[i]));
      filtered += got[i] == 0 ? 1 : 0;
    }
    EXPECT_LE(worst, 1e-5) << golden.json.dump();
    below_min_p += *golden.request.options.min_p > 0 ? 1 : 0;
  }
  EXPECT_GT(filtered, 1000u);
  EXPECT_GE(below_min_p, 20u);
}

// Chi-square of observed against expected counts, over cells that expect at least five.
double chi_square(const std::map<std::int32_t, int>& counts, const std::vector<double>& p, int n,
                  int* degrees) {
  double sum = 0;
  *degrees = -1;
  for (std::size_t i = 0; i < p.size(); ++i) {
    const double expected = p[i] * n;
    const auto found = counts.find(static_cast<std::int32_t>(i));
    const int observed = found == counts.end() ? 0 : found->second;
    if (expected == 0) {
      EXPECT_EQ(observed, 0) << "token " << i << " may not be drawn";
    }
    if (expected < 5) continue;
    sum += (observed - expected) * (observed - expected) / expected;
    ++*degrees;
  }
  return sum;
}

// The mean of the statistic is its degrees of freedom, the variance twice that.
void expect_plausible(double statistic, int degrees) {
  ASSERT_GT(degrees, 2);
  EXPECT_LT(statistic, degrees + 4 * std::sqrt(2.0 * degrees));
}

TEST(Sampling, FirstTokensFollowTheDistribution) {
  FakeModel model;
  model.vocabulary = 30;
  DecodeRequest request;
  request.prompt_ids = {3, 1};
  GenerationConfig options;
  options.do_sample = true;
  options.max_new_tokens = 1;
  options.num_return_sequences = 50;
  options.temperature = 2.5;
  options.top_p = 0.9;
  std::map<std::int32_t, int> counts;
  constexpr int kCalls = 400;
  for (int seed = 0; seed < kCalls; ++seed) {
    options.seed = static_cast<std::uint64_t>(seed);
    request.options = filled(options);
    FakeSession session(model, request.prompt_ids);
    for (const auto& sequence : decode(session, request).sequences) ++counts[sequence.tokens[0]];
  }
  const auto p = next_token_distribution(model.logits(request.prompt_ids), request, {});
  int degrees = 0;
  const double statistic = chi_square(counts, p, kCalls * 50, &degrees);
  expect_plausible(statistic, degrees);
}

TEST(Sampling, BeamsDrawWithoutReplacement) {
  // With one step, two beams and one answer: four tokens are drawn one after the other, and the
  // first two compete; the better one is the answer. Its probability follows from the draws' own.
  FakeModel model;
  model.vocabulary = 6;
  model.gap = 1.0f / 2048;
  DecodeRequest request;
  request.prompt_ids = {2};
  GenerationConfig options;
  options.do_sample = true;
  options.max_new_tokens = 1;
  options.num_beams = 2;
  std::map<std::int32_t, int> counts;
  constexpr int kCalls = 20000;
  for (int seed = 0; seed < kCalls; ++seed) {
    options.seed = static_cast<std::uint64_t>(seed);
    request.options = filled(options);
    FakeSession session(model, request.prompt_ids);
    ++counts[decode(session, request).sequences[0].tokens[0]];
  }
  const auto p = next_token_distribution(model.logits(request.prompt_ids), request, {});
  std::vector<double> answer(p.size(), 0.0);
  for (std::size_t first = 0; first < p.size(); ++first) {
    for (std::size_t second = 0; second < p.size(); ++second) {
      if (first == second) continue;
      const std::size_t better = p[first] > p[second] ? first : second;
      answer[better] += p[first] * p[second] / (1 - p[first]);
    }
  }
  int degrees = 0;
  const double statistic = chi_square(counts, answer, kCalls, &degrees);
  expect_plausible(statistic, degrees);
}

TEST(Sampling, RowsDoNotDependOnEachOther) {
  FakeModel model;
  model.stop_ids = {4};
  model.stop_bonus = 2;
  DecodeRequest request;
  request.prompt_ids = {3, 1};
  request.stop_ids = {4};
  GenerationConfig options;
  options.do_sample = true;
  options.temperature = 3;
  options.max_new_tokens = 12;
  options.seed = 42;
  request.options = filled(options);
  FakeSession alone(model, request.prompt_ids);
  const auto first = decode(alone, request).sequences[0].tokens;

  options.num_return_sequences = 5;
  request.options = filled(options);
  FakeSession together(model, request.prompt_ids);
  const auto rows = decode(together, request).sequences;
  ASSERT_EQ(rows.size(), 5u);
  bool found = false;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    found = found || rows[i].tokens == first;
    EXPECT_TRUE(i == 0 || rows[i - 1].score >= rows[i].score) << "best first";
    EXPECT_TRUE(i == 0 || rows[i - 1].tokens != rows[i].tokens);
  }
  EXPECT_TRUE(found);
}

TEST(Sampling, TheSeedDecides) {
  const FakeModel model;
  DecodeRequest request;
  request.prompt_ids = {3};
  for (const int beams : {1, 3}) {
    GenerationConfig options;
    options.do_sample = true;
    options.temperature = 3;
    options.max_new_tokens = 10;
    options.num_beams = beams;
    const auto tokens = [&](std::uint64_t seed) {
      options.seed = seed;
      request.options = filled(options);
      FakeSession session(model, request.prompt_ids);
      return decode(session, request).sequences[0].tokens;
    };
    EXPECT_EQ(tokens(5), tokens(5));
    EXPECT_NE(tokens(5), tokens(6));
    EXPECT_NE(tokens(5), tokens(5 + (std::uint64_t{1} << 32)));
  }
}

}  // namespace
}  // namespace instructblip::testing
