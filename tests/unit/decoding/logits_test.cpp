// What searches read of the logits: every search over two implementations, one of which tells how
// often it was asked for a whole row.
#include "decoding/logits.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <numeric>
#include <string_view>

#include "decoding/candidate_scoring.h"
#include "instructblip/error.h"
#include "unit/decoding/fake_session.h"

namespace instructblip::testing {
namespace {

using Tokens = std::vector<std::int32_t>;

// Answers from all tokens in order, and counts what else is asked.
class StingyLogits final : public Logits {
 public:
  StingyLogits(std::span<const float> logits, std::size_t vocabulary, int& rows_asked)
      : logits_(logits), vocabulary_(vocabulary), rows_asked_(rows_asked) {}

  std::span<const RowSummary> summarize(const Step& step) override {
    EXPECT_TRUE(step.named.empty() || step.named.size() == step.rows());
    whole_rows_ = step.whole_rows;
    named_.resize(step.rows());
    best_.resize(step.rows());
    for (std::size_t r = 0; r < step.rows(); ++r) summarize_row(r, step);
    return summaries_;
  }

  std::span<const float> row(std::size_t row) override {
    if (!whole_rows_) ++rows_asked_;
    return raw(row);
  }

 private:
  std::span<const float> raw(std::size_t row) const {
    return logits_.subspan(row * vocabulary_, vocabulary_);
  }

  void summarize_row(std::size_t r, const Step& step) {
    const auto named = step.named_in(r);
    EXPECT_TRUE(std::ranges::adjacent_find(named, std::ranges::greater_equal()) == named.end());
    std::vector<std::int64_t> order(vocabulary_);
    std::iota(order.begin(), order.end(), 0);
    std::erase_if(
        order, [&](std::int64_t token) { return std::ranges::find(named, token) != named.end(); });
    const auto logit = [&](std::int64_t token) { return raw(r)[static_cast<std::size_t>(token)]; };
    std::ranges::stable_sort(order, std::ranges::greater(), logit);
    order.resize(std::min(order.size(), step.top));
    for (const std::int64_t token : order) best_[r].push_back({logit(token), token});
    for (const std::int32_t token : named) named_[r].push_back(logit(token));
    summaries_.push_back({log_normalizer(raw(r)), named_[r], best_[r]});
  }

  std::span<const float> logits_;
  std::size_t vocabulary_;
  int& rows_asked_;
  bool whole_rows_ = false;
  std::vector<std::vector<float>> named_;
  std::vector<std::vector<Ranked>> best_;
  std::vector<RowSummary> summaries_;
};

struct StingyResult {
  std::vector<DecodedSequence> sequences;
  int rows_asked = 0;  // in full, without notice
};

StingyResult run_stingily(const FakeModel& model, const DecodeRequest& request,
                          std::unique_ptr<Search> search = nullptr) {
  StingyResult result;
  FakeSession session(model, request.prompt_ids);
  if (!search) search = make_search(request, model.vocabulary);
  result.sequences = decode(session, *search, [&](std::span<const float> logits) {
                       return std::make_unique<StingyLogits>(
                           logits, static_cast<std::size_t>(model.vocabulary), result.rows_asked);
                     }).sequences;
  return result;
}

void expect_same(const std::vector<DecodedSequence>& a, const std::vector<DecodedSequence>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].tokens, b[i].tokens);
    EXPECT_EQ(a[i].score, b[i].score);
    EXPECT_EQ(a[i].logprobs, b[i].logprobs);
    EXPECT_EQ(a[i].finish_reason, b[i].finish_reason);
  }
}

TEST(Logits, BothImplementationsGiveEveryGoldenAnswer) {
  int greedy = 0, ranked = 0, tied = 0, drawn = 0;
  for (const char* file : {"search.json", "search_4_33.json", "search_5.json"}) {
    for (const GoldenCase& golden : golden_cases(file)) {
      DecodeRequest request = golden.request;
      if (std::string_view(file) == "search_4_33.json") {
        request.beam_scorer = BeamScorer::transformers_4_33;
      }
      for (const bool sample : {false, true}) {
        // N-grams may ban every token; drawing takes long from many.
        if (sample && *request.options.no_repeat_ngram_size > 0) continue;
        if (sample && golden.model.vocabulary > 100) continue;
        request.options.do_sample = sample;
        FakeSession session(golden.model, request.prompt_ids);
        const StingyResult stingy = run_stingily(golden.model, request);
        expect_same(stingy.sequences, decode(session, request).sequences);
        const bool beams = *request.options.num_beams > 1;
        EXPECT_TRUE(stingy.rows_asked == 0 || (beams && !sample)) << golden.json.dump();
        ++(sample ? drawn : !beams ? greedy : stingy.rows_asked == 0 ? ranked : tied);
      }
    }
  }
  for (const int cases : {greedy, ranked, tied, drawn}) EXPECT_GT(cases, 50);
}

// A large vocabulary of logits that are all different, and every option that edits scores.
TEST(Logits, WithoutTiesNoSearchReadsAWholeRow) {
  FakeModel model;
  model.vocabulary = 3000;
  model.levels = 1u << 22;
  model.gap = 1.0f / (1 << 19);
  model.stop_ids = {7, 11};
  model.stop_bonus = 3;
  DecodeRequest request;
  request.stop_ids = model.stop_ids;
  request.prompt_ids = {3, 4, 5, 4000, 3, 4};
  for (const int beams : {1, 2, 5}) {
    for (const bool edits : {false, true}) {
      GenerationConfig options;
      options.num_beams = beams;
      options.max_new_tokens = 16;
      options.logprobs = true;
      if (edits) {
        options.min_new_tokens = 8;
        options.repetition_penalty = 1.3;
        options.no_repeat_ngram_size = 2;
        options.suppress_tokens = {20, 21, 22, 9999};
        options.begin_suppress_tokens = {30};
        options.bad_words_ids = {{40}, {41, 42}};
      }
      request.options = filled(options);
      FakeSession session(model, request.prompt_ids);
      const StingyResult stingy = run_stingily(model, request);
      expect_same(stingy.sequences, decode(session, request).sequences);
      EXPECT_EQ(stingy.rows_asked, 0) << beams;
    }
  }
}

TEST(Logits, CandidatesAreReadByName) {
  FakeModel model;
  model.levels = 2;
  DecodeRequest request;
  request.prompt_ids = {3, 1};
  request.options = filled({});
  const std::vector<Tokens> candidates = {{7, 8, 9}, {4}, {7, 8}, {7, 9}, {4}, {49, 0}, {7, 8, 9}};
  const auto search = [&] { return make_candidate_scoring(request, candidates, model.vocabulary); };
  EXPECT_EQ(search()->next()->named_in(0).size(), 3u);  // 4, 7 and 49
  const StingyResult stingy = run_stingily(model, request, search());
  EXPECT_EQ(stingy.rows_asked, 0);
  EXPECT_EQ(stingy.sequences.size(), candidates.size());
}

// Which equal scores make a search with two beams, which looks at four continuations, read the row:
// those among the four, and those between them and the rest.
struct Tie {
  const char* name;
  std::vector<float> best;  // logits of tokens 10, 11, ...; all others are far below and different
  int asked;
  std::vector<std::int32_t> suppressed = {};
};

class Ties : public ::testing::TestWithParam<Tie> {};

TEST_P(Ties, AreReadFromTheWholeRow) {
  const Tie& tie = GetParam();
  FakeModel model;
  std::vector<float> logits(static_cast<std::size_t>(model.vocabulary));
  for (std::size_t i = 0; i < logits.size(); ++i) logits[i] = -9.0f - static_cast<float>(i);
  std::ranges::copy(tie.best, logits.begin() + 10);
  DecodeRequest request;
  request.prompt_ids = {1};
  GenerationConfig options;
  options.num_beams = 2;
  options.num_return_sequences = 2;
  options.max_new_tokens = 1;
  options.logprobs = true;
  options.suppress_tokens = tie.suppressed;
  request.options = filled(options);
  FakeSession session(model, request.prompt_ids);
  session.tamper = [&](int, std::vector<float>& row) { row = logits; };
  int asked = 0;
  const auto stingy =
      decode(session, *make_search(request, model.vocabulary), [&](std::span<const float> row) {
        return std::make_unique<StingyLogits>(row, row.size(), asked);
      });
  EXPECT_EQ(asked > 0 ? 1 : 0, tie.asked);
  FakeSession again(model, request.prompt_ids);
  again.tamper = session.tamper;
  expect_same(stingy.sequences, decode(again, request).sequences);
}

INSTANTIATE_TEST_SUITE_P(
    Edges, Ties,
    ::testing::Values(Tie{"none", {9, 8, 7, 6, 5}, 0}, Tie{"at_the_head", {9, 9, 7, 6, 5}, 1},
                      Tie{"within", {9, 8, 6, 6, 5}, 1}, Tie{"at_the_edge", {9, 8, 7, 6, 6}, 1},
                      Tie{"beyond", {9, 8, 7, 6, 5, 5, 5, 5}, 0},
                      // Their difference is lost where the log of the sum is subtracted.
                      Tie{"by_rounding", {9, 8, 7, 0x1p-23f, 0x1.8p-23f}, 1},
                      Tie{"of_a_banned_one", {9, 9, 8, 7, 6, 5}, 0, {11}},
                      Tie{"behind_a_banned_one", {9, 8.5f, 8, 7, 6, 6}, 1, {11}}),
    [](const auto& tie) { return tie.param.name; });

// As many banned as there are no others left to choose from: those that are equal are -inf.
TEST(Logits, BannedTokensAreChosenWhereNothingElseIsLeft) {
  FakeModel model;
  model.vocabulary = 6;
  DecodeRequest request;
  request.prompt_ids = {1};
  GenerationConfig options;
  options.num_beams = 3;
  options.max_new_tokens = 4;
  options.suppress_tokens = {0, 1, 2, 3};
  request.options = filled(options);
  const StingyResult beams = run_stingily(model, request);
  EXPECT_GT(beams.rows_asked, 0);
  options.num_beams = 1;
  options.suppress_tokens = {0, 1, 2, 3, 4, 5};
  request.options = filled(options);
  const StingyResult greedy = run_stingily(model, request);
  EXPECT_EQ(greedy.rows_asked, 0);
  EXPECT_EQ(greedy.sequences[0].tokens, (Tokens{0, 0, 0, 0}));  // the lowest of equals
}

TEST(Logits, SummariesInMemoryAreThoseOfAllTokensInOrder) {
  FakeModel model;
  for (const std::int64_t vocabulary : {1, 7, 1024, 1025, 5000}) {
    for (const std::uint32_t levels : {1u, 5u, 1u << 20}) {
      model.vocabulary = vocabulary;
      model.levels = levels;
      const auto width = static_cast<std::size_t>(vocabulary);
      std::vector<float> logits = model.logits(Tokens{1});
      std::ranges::copy(model.logits(Tokens{2}), std::back_inserter(logits));
      std::vector<Tokens> named(2);
      for (std::int32_t token = 0; token < vocabulary; token += 1 + token / 2) {
        named[1].push_back(token);
      }
      const Tokens sources{0, 0}, tokens{0, 0};
      for (const std::size_t top : {0, 1, 6, 40, 6000}) {
        const Step step{.sources = sources, .tokens = tokens, .named = named, .top = top};
        HostLogits host(logits, width);
        int asked = 0;
        StingyLogits stingy(logits, width, asked);
        const auto got = host.summarize(step), expected = stingy.summarize(step);
        ASSERT_EQ(got.size(), 2u);
        for (std::size_t r = 0; r < 2; ++r) {
          EXPECT_EQ(got[r].normalizer.log_sum, expected[r].normalizer.log_sum);
          EXPECT_TRUE(std::ranges::equal(got[r].named, expected[r].named));
          EXPECT_TRUE(
              std::ranges::equal(got[r].best, expected[r].best, {}, &Ranked::index, &Ranked::index))
              << vocabulary << " " << levels << " " << top;
        }
      }
    }
  }
}

TEST(Logits, SummariesOfOtherRowsThanPromisedAreOurOwnError) {
  class NoLogits final : public Logits {
    std::span<const RowSummary> summarize(const Step&) override { return {}; }
    std::span<const float> row(std::size_t) override { return {}; }
  } none;
  DecodeRequest request;
  request.prompt_ids = {1};
  request.options = filled({});
  const auto search = make_search(request, 50);
  ASSERT_TRUE(search->next());
  try {
    search->accept(none);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::internal);
  }
}

}  // namespace
}  // namespace instructblip::testing
