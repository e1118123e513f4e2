#include "kernels/cuda/next_rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include "decoding/logits.h"
#include "decoding/options.h"
#include "decoding/search.h"
#include "emulator/running.h"
#include "kernels/cuda/row_summaries.h"

namespace instructblip::kernels::cuda {
namespace {

using Tokens = std::vector<std::int32_t>;

constexpr std::int32_t kVocabulary = 61, kMaxNewTokens = 12, kMaxShared = 16, kMaxTail = 9;
constexpr std::size_t kPrompt = 3;

// A model that is a hash: the logits behind the new tokens of a request. End tokens become
// likelier.
std::vector<float> logits_after(std::size_t seed, const Tokens& tokens, const Tokens& stop_ids) {
  std::uint64_t state = 0x9e3779b97f4a7c15u * (seed + 1);
  for (const std::int32_t token : tokens) {
    state = (state ^ static_cast<std::uint64_t>(token + 1)) * 0xbf58476d1ce4e5b9u;
    state ^= state >> 29;
  }
  std::vector<float> logits;
  for (std::int32_t token = 0; token < kVocabulary; ++token) {
    std::uint64_t x = (state + static_cast<std::uint64_t>(token)) * 0x94d049bb133111ebu;
    x ^= x >> 31;
    x *= 0xbf58476d1ce4e5b9u;
    logits.push_back(static_cast<float>(x >> 40) * 0x1p-21f - 4.0f);
  }
  for (const std::int32_t stop : stop_ids) {
    logits[static_cast<std::size_t>(stop)] += 0.6f * static_cast<float>(tokens.size()) - 1.0f;
  }
  return logits;
}

// A search on the host, and the tables that a device would read for it. All requests of a test have
// as many rows in a step.
struct Searching {
  std::unique_ptr<Search> search;
  std::optional<Step> step;
  std::vector<Tokens> rows = {{}};  // new tokens of each
  // Slots of keys and values, and the token in each: slot -> token.
  Tokens shared, newest;
  std::vector<Tokens> tails;

  Searching(int beams, const Tokens& stop_ids) {
    GenerationConfig asked;
    asked.num_beams = beams;
    asked.max_new_tokens = kMaxNewTokens;
    DecodeRequest request;
    request.options = resolve_options(asked, {}, 1);
    request.stop_ids = stop_ids;
    request.prompt_ids = {0};
    search = make_search(std::move(request), kVocabulary);
    for (std::size_t i = 0; i < kPrompt; ++i) shared.push_back(static_cast<std::int32_t>(i));
    step = search->next();
  }
  bool runs() const { return step.has_value(); }

  // The rows of the step, and the slots that they take, as KvCache gives them.
  void begin(const Tokens& slots) {
    std::vector<Tokens> next, next_tails;
    for (std::size_t r = 0; r < step->tokens.size(); ++r) {
      const auto source = static_cast<std::size_t>(step->sources[r]);
      next.push_back(rows[source]);
      next.back().push_back(step->tokens[r]);
      next_tails.push_back(source < tails.size() ? tails[source] : Tokens());
      next_tails.back().push_back(slots[r]);
    }
    if (next.empty()) return;
    newest = {slots.begin(), slots.begin() + std::ssize(next)};
    if (next.size() == 1 && tails.empty()) {
      shared.push_back(slots.front());
    } else {
      tails = next_tails;
    }
    rows = next;
  }
  void accept(std::span<const float> logits) {
    HostLogits host(logits, kVocabulary);
    search->accept(host);
    step = search->next();
  }
};

// Steps of several requests, whose rows a device chooses ahead.
class NextRows : public testing::Test {
 protected:
  void start(std::size_t requests, int beams, const Tokens& stop_ids, std::size_t seed = 0) {
    searches_.clear();
    stop_ids_ = stop_ids;
    seed_ = seed;
    slots_ = 10;
    for (std::size_t i = 0; i < requests; ++i) searches_.emplace_back(beams, stop_ids);
    for (int i = 0; i < 2; ++i) {  // the prompt, and the first step of all rows
      for (Searching& one : searches_) one.begin(new_slots(static_cast<std::size_t>(beams)));
      if (i == 0) accept(logits());
    }
    write_tables();
  }

  // Slots in no order that a wrong index would meet by chance.
  Tokens new_slots(std::size_t count) {
    Tokens slots;
    for (; slots.size() < count; ++slots_) slots.push_back(slots_ * 7 % 1009);
    return slots;
  }
  std::vector<float> logits() const {
    std::vector<float> all;
    for (std::size_t i = 0; i < searches_.size(); ++i) {
      for (const Tokens& row : searches_[i].rows) {
        const auto one = logits_after(seed_ + i, row, stop_ids_);
        all.insert(all.end(), one.begin(), one.end());
      }
    }
    return all;
  }
  void accept(std::span<const float> logits) {
    for (Searching& one : searches_) {
      const std::size_t count = one.rows.size() * kVocabulary;
      if (one.runs()) one.accept(logits.first(count));
      logits = logits.subspan(count);
    }
  }

  std::size_t rows() const { return searches_.front().rows.size(); }

  void write_tables() {
    tokens_.clear();
    positions_.clear();
    newest_.clear();
    lengths_.clear();
    shared_.clear();
    tails_.clear();
    sums_.clear();
    for (const Searching& one : searches_) {
      lengths_.push_back(static_cast<std::int32_t>(one.shared.size()));
      lengths_.push_back(one.tails.empty() ? 0 : static_cast<std::int32_t>(one.tails[0].size()));
      shared_.insert(shared_.end(), one.shared.begin(), one.shared.end());
      shared_.resize(lengths_.size() / 2 * kMaxShared, -1);
      for (std::size_t r = 0; r < rows(); ++r) {
        tokens_.push_back(one.rows[r].back());
        positions_.push_back(static_cast<std::int32_t>(kPrompt + one.rows[r].size() - 1));
        newest_.push_back(one.newest[r]);
        if (!one.tails.empty()) {
          tails_.insert(tails_.end(), one.tails[r].begin(), one.tails[r].end());
        }
        tails_.resize(tokens_.size() * kMaxTail, -1);
      }
      const auto scores = one.step->next ? one.step->next->scores : std::span<const float>();
      sums_.insert(sums_.end(), scores.begin(), scores.end());
    }
  }

  // What the kernel chooses behind these logits.
  void choose(const std::vector<float>& logits, const emulator::Schedule& schedule = {}) {
    const Step& step = *searches_.front().step;
    const auto count = static_cast<std::int32_t>(searches_.size() * rows());
    const auto top = static_cast<std::int32_t>(step.top);
    const RowSummaryProblem summary{count, kVocabulary, top};
    std::vector<std::uint32_t> workspace(row_summary_workspace(summary));
    std::vector<unsigned> counters(static_cast<std::size_t>(count));
    std::vector<float> max(counters.size()), log_sum(max), best(max.size() * step.top);
    Tokens not_finite(max.size()), best_tokens(best.size());
    chosen_sources_.assign(max.size(), -7);
    chosen_tokens_ = chosen_sources_;
    chosen_sums_.assign(max.size(), -7);
    next_slots_ = new_slots(max.size());
    EXPECT_EQ(summarize_rows(summary,
                             {logits.data(), nullptr, nullptr, nullptr, max.data(), log_sum.data(),
                              not_finite.data(), best.data(), best_tokens.data(), workspace.data(),
                              counters.data()},
                             nullptr, true),
              0);
    const NextRowsProblem problem{.requests = static_cast<std::int32_t>(searches_.size()),
                                  .rows = static_cast<std::int32_t>(rows()),
                                  .candidates = static_cast<std::int32_t>(step.next->candidates),
                                  .stop_ids = static_cast<std::int32_t>(stop_ids_.size()),
                                  .top = top,
                                  .max_shared = kMaxShared,
                                  .max_tail = kMaxTail};
    EXPECT_EQ(next_rows_refuse(problem), nullptr);
    const bool sums = !sums_.empty();
    EXPECT_EQ(choose_next_rows(problem,
                               {.max = max.data(),
                                .log_sum = log_sum.data(),
                                .not_finite = not_finite.data(),
                                .best_logits = best.data(),
                                .best_tokens = best_tokens.data(),
                                .stop_ids = stop_ids_.data(),
                                .scores = sums ? sums_.data() : nullptr,
                                .new_slots = next_slots_.data(),
                                .tokens = tokens_.data(),
                                .positions = positions_.data(),
                                .newest = newest_.data(),
                                .lengths = lengths_.data(),
                                .shared_slots = shared_.data(),
                                .tail_slots = tails_.data(),
                                .chosen_sources = chosen_sources_.data(),
                                .chosen_tokens = chosen_tokens_.data(),
                                .chosen_scores = sums ? chosen_sums_.data() : nullptr},
                               nullptr, true),
              0);
    EXPECT_EQ(emulator::fault_of(schedule), "");
  }

  std::vector<Tokens> tables() const {
    return {tokens_, positions_, newest_, lengths_, shared_, tails_};
  }
  // Those rows of a request that the device chose.
  Tokens of_request(const Tokens& all, std::size_t request) const {
    const auto first = all.begin() + static_cast<std::ptrdiff_t>(request * rows());
    return {first, first + static_cast<std::ptrdiff_t>(rows())};
  }
  static Tokens list(std::span<const std::int32_t> some) { return {some.begin(), some.end()}; }

  // Whole answers: what was chosen is what the searches ask for, wherever they go on with all rows,
  // and the tables are then those of the step that is begun. Returns how many steps were foreseen.
  int follow(const emulator::Schedule& schedule) {
    int foreseen = 0;
    const auto all_foresee = [&] {
      return std::ranges::all_of(
          searches_, [](const Searching& one) { return one.runs() && one.step->next.has_value(); });
    };
    for (; all_foresee(); ++foreseen) {
      const std::vector<float> now = logits();
      choose(now, schedule);
      accept(now);
      const bool full = std::ranges::any_of(searches_, [](const Searching& one) {
        return one.tails.size() > 0 && one.tails[0].size() == kMaxTail;
      });
      bool ended = false;
      for (std::size_t i = 0; i < searches_.size(); ++i) {
        Searching& one = searches_[i];
        if (!one.runs()) {
          ended = true;
          continue;
        }
        const Tokens none(rows(), -1);
        EXPECT_EQ(of_request(chosen_tokens_, i), full ? none : list(one.step->tokens));
        EXPECT_EQ(of_request(chosen_sources_, i), full ? none : list(one.step->sources));
        one.begin(of_request(next_slots_, i));
      }
      if (ended || full || testing::Test::HasFailure()) return foreseen;
      const std::vector<Tokens> chosen = tables();
      const std::vector<float> sums = sums_;
      write_tables();
      EXPECT_EQ(chosen, tables());
      // The host's normalisers may have other last bits.
      for (std::size_t i = 0; i < sums.size(); ++i) EXPECT_NEAR(chosen_sums_[i], sums_[i], 1e-5);
    }
    return foreseen;
  }

  std::vector<Searching> searches_;
  Tokens stop_ids_;
  std::size_t seed_ = 0;
  std::int32_t slots_ = 0;
  std::vector<float> sums_, chosen_sums_;
  Tokens tokens_, positions_, newest_, lengths_, shared_, tails_, next_slots_, chosen_sources_,
      chosen_tokens_;
};

TEST_F(NextRows, AreThoseThatSearchesAskFor) {
  const std::vector<emulator::Schedule> orders = emulator::schedules();
  int foreseen = 0;
  for (std::size_t i = 0; i < orders.size(); ++i) {
    start(2, 3, {2}, i);
    foreseen += follow(orders[i]);
    start(3, 1, {2}, i + 5);
    foreseen += follow(orders[i]);
  }
  start(1, 5, {2, 7}, 3);
  foreseen += follow(orders[0]);
  start(1, 16, {}, 4);  // until the tables are full
  EXPECT_EQ(follow(orders[1]), kMaxTail - 1);
  start(1, 1, {}, 4);
  EXPECT_EQ(follow(orders[1]), kMaxNewTokens - 2);
  EXPECT_GT(foreseen, 20);
}

TEST_F(NextRows, AreTheSearchsWhereEqualSumsDecide) {
  start(2, 3, {2});
  std::vector<float> now = logits();
  // The last that is looked at of the first request, and the next one, are equal.
  sums_[1] = sums_[2] = -1000.0f;
  for (std::size_t i = 0; i < kVocabulary; ++i) now[i] = static_cast<float>(i) * 0.125f;
  now[kVocabulary - 7] = now[kVocabulary - 6];
  const std::vector<Tokens> before = tables();
  choose(now);
  EXPECT_EQ(of_request(chosen_tokens_, 0), Tokens(3, -1));
  EXPECT_EQ(of_request(chosen_sources_, 0), Tokens(3, -1));
  EXPECT_EQ(std::vector<float>(chosen_sums_.begin(), chosen_sums_.begin() + 3),
            std::vector<float>(sums_.begin(), sums_.begin() + 3));
  EXPECT_NE(of_request(chosen_tokens_, 1), Tokens(3, -1));
  const std::vector<Tokens> after = tables();
  for (std::size_t i = 0; i < before.size(); ++i) {
    const auto half = static_cast<std::ptrdiff_t>(before[i].size() / 2);
    EXPECT_TRUE(std::equal(before[i].begin(), before[i].begin() + half, after[i].begin())) << i;
    EXPECT_TRUE(i == 4 || before[i] != after[i]) << i;  // but for the shared slots
  }
}

TEST_F(NextRows, EndAtEndTokensAndLogitsThatAreNotFinite) {
  start(3, 1, {2});
  std::vector<float> now = logits();
  now[2] = 100.0f;
  now[kVocabulary + 5] = std::numeric_limits<float>::quiet_NaN();
  choose(now);
  EXPECT_EQ(chosen_tokens_[0], -1);
  EXPECT_EQ(chosen_tokens_[1], -1);
  EXPECT_GE(chosen_tokens_[2], 0);
  EXPECT_EQ(lengths_, (Tokens{kPrompt + 1, 0, kPrompt + 1, 0, kPrompt + 2, 0}));
}

TEST_F(NextRows, AreRefusedWhereTheyCannotBeChosen) {
  NextRowsProblem problem{.requests = 1, .rows = 17, .candidates = 34, .top = 35};
  EXPECT_STREQ(next_rows_refuse(problem), "there are 1 to 16 rows");
  problem.rows = 5;
  problem.candidates = 4;
  EXPECT_STREQ(next_rows_refuse(problem),
               "at least a candidate for each row is looked at, and at most 63");
  problem.candidates = 10;
  problem.top = 10;
  EXPECT_STREQ(next_rows_refuse(problem), "one more is listed than candidates are looked at");
  EXPECT_STREQ(next_rows_refuse({.requests = 1, .rows = 1, .candidates = 1}),
               "the best token is listed");
}

}  // namespace
}  // namespace instructblip::kernels::cuda
