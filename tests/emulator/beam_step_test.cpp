#include "kernels/cuda/beam_step.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
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
using Early = BeamStepProblem::EarlyStopping;

constexpr std::int32_t kVocabulary = 61, kMaxNewTokens = 9;

struct Settings {
  int beams;
  Early early;
  double length_penalty;
  Tokens stop_ids;
  std::size_t seed = 0;  // the first request's
};

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

struct Answer {
  Tokens tokens;
  double score;
};

std::vector<Answer> answers_of_search(std::size_t number, const Settings& settings) {
  DecodeRequest request;
  GenerationConfig asked;
  asked.num_beams = settings.beams;
  asked.num_return_sequences = settings.beams;
  asked.max_new_tokens = kMaxNewTokens;
  asked.length_penalty = settings.length_penalty;
  asked.early_stopping = settings.early == Early::yes     ? EarlyStopping::yes
                         : settings.early == Early::never ? EarlyStopping::never
                                                          : EarlyStopping::no;
  request.options = resolve_options(asked, {}, 1);
  request.stop_ids = settings.stop_ids;
  request.prompt_ids = {0};
  const std::unique_ptr<Search> search = make_search(std::move(request), kVocabulary);
  std::vector<Tokens> rows = {{}};
  while (const std::optional<Step> step = search->next()) {
    std::vector<Tokens> next;
    for (std::size_t r = 0; r < step->tokens.size(); ++r) {
      next.push_back(rows[static_cast<std::size_t>(step->sources[r])]);
      next.back().push_back(step->tokens[r]);
    }
    if (!next.empty()) rows = next;
    std::vector<float> logits;
    for (const Tokens& row : rows) {
      const std::vector<float> one = logits_after(settings.seed + number, row, settings.stop_ids);
      logits.insert(logits.end(), one.begin(), one.end());
    }
    HostLogits host(logits, kVocabulary);
    search->accept(host);
  }
  std::vector<Answer> answers;
  for (const DecodedSequence& sequence : search->result()) {
    answers.push_back({sequence.tokens, sequence.score});
  }
  return answers;
}

// Requests side by side on the device, with what a model would keep of them.
class DeviceSearch {
 public:
  DeviceSearch(std::int32_t requests, const Settings& settings)
      : settings_(settings), count_(static_cast<std::size_t>(requests)) {
    problem_ = {
        .requests = requests,
        .beams = settings.beams,
        .candidates = std::max(2, 1 + static_cast<int>(settings.stop_ids.size())) * settings.beams,
        .max_new_tokens = kMaxNewTokens,
        .stop_ids = static_cast<std::int32_t>(settings.stop_ids.size()),
        .early_stopping = settings.early,
        .rewards_length = settings.length_penalty > 0};
    EXPECT_EQ(beam_step_refuses(problem_), nullptr);
    const std::size_t rows = count_ * beams(),
                      top = static_cast<std::size_t>(problem_.candidates) + 1;
    for (int i = 0; i <= kMaxNewTokens; ++i) {
      divisors_.push_back(static_cast<float>(std::pow(double(i), settings.length_penalty)));
    }
    for (auto* floats : {&max_, &log_sum_}) floats->assign(rows, 0);
    best_logits_.assign(rows * top, 0);
    best_tokens_.assign(rows * top, 0);
    not_finite_.assign(rows, -1);
    status_.assign(count_, kBeamsRunning);
    steps_.assign(count_, 0);
    lengths_.assign(2 * count_, 0);
    slots_.assign(rows, {-1e9f, 0, 0, 0, 0});
    for (auto* ints : {&next_tokens_, &positions_, &append_slots_}) ints->assign(rows, -1);
    for (auto* table : {&parents_, &tokens_, &tail_slots_}) table->assign(rows * kMaxNewTokens, -1);
    for (std::size_t row = 0; row < rows; ++row) {
      rows_.push_back(static_cast<std::int32_t>(row / beams()));
      scores_.push_back(row % beams() == 0 ? 0.0f : -1e9f);
      // Slots in no order that a wrong index would meet by chance.
      for (std::size_t t = 0; t < kMaxNewTokens; ++t) {
        own_slots_.push_back(
            static_cast<std::int32_t>((t * rows + row) * 7 % (rows * kMaxNewTokens * 7 + 1)));
      }
    }
    for (std::size_t i = 0; i < count_; ++i) first_positions_.push_back(100 * static_cast<int>(i));
    sequences_.assign(rows, {});
    kept_.assign(rows * kMaxNewTokens * 7 + 1, -1);
  }

  std::size_t beams() const { return static_cast<std::size_t>(settings_.beams); }
  std::int32_t status(std::size_t request) const { return status_[request]; }
  bool runs() const { return std::ranges::find(status_, kBeamsRunning) != status_.end(); }
  std::vector<float>& logits() { return logits_; }

  void pass() {
    logits_.clear();
    const bool first = steps_ == std::vector<std::int32_t>(count_, 0);
    for (std::size_t row = 0; row < (first ? count_ : count_ * beams()); ++row) {
      const std::size_t request = first ? row : row / beams();
      const std::vector<float> one =
          logits_after(settings_.seed + request, sequences_[row], settings_.stop_ids);
      logits_.insert(logits_.end(), one.begin(), one.end());
    }
  }

  void step(const emulator::Schedule& schedule) {
    const auto rows = static_cast<std::int32_t>(logits_.size()) / kVocabulary;
    const RowSummaryProblem summary{rows, kVocabulary, problem_.candidates + 1};
    std::vector<std::uint32_t> workspace(row_summary_workspace(summary));
    std::vector<unsigned> counters(static_cast<std::size_t>(rows));
    EXPECT_EQ(summarize_rows(summary,
                             {logits_.data(), nullptr, nullptr, nullptr, max_.data(),
                              log_sum_.data(), not_finite_.data(), best_logits_.data(),
                              best_tokens_.data(), workspace.data(), counters.data()},
                             nullptr, true),
              0);
    EXPECT_EQ(step_beams(problem_, buffers(), nullptr, true), 0);
    EXPECT_EQ(emulator::fault_of(schedule), "");
  }

  // What the next pass would read is right; then it is run, as far as its keys go.
  void follow() {
    std::vector<Tokens> next(sequences_.size());
    for (std::size_t row = 0; row < sequences_.size(); ++row) {
      const std::size_t request = row / beams();
      if (status_[request] != kBeamsRunning) continue;
      const auto step = static_cast<std::size_t>(steps_[request]) - 1;
      const std::size_t history = (request * kMaxNewTokens + step) * beams() + row % beams();
      next[row] = sequences_[request * beams() + static_cast<std::size_t>(parents_[history])];
      next[row].push_back(tokens_[history]);
      EXPECT_EQ(next_tokens_[row], tokens_[history]);
      EXPECT_EQ(positions_[row], first_positions_[request] + static_cast<int>(step));
      EXPECT_EQ(lengths_[2 * request + 1], static_cast<int>(step) + 1);
      EXPECT_EQ(rows_[row], static_cast<int>(row));
      kept_[static_cast<std::size_t>(append_slots_[row])] = next_tokens_[row];
    }
    for (std::size_t row = 0; row < sequences_.size(); ++row) {
      if (status_[row / beams()] != kBeamsRunning) continue;
      sequences_[row] = next[row];
      for (std::size_t t = 0; t < next[row].size(); ++t) {
        const auto slot = static_cast<std::size_t>(tail_slots_[row * kMaxNewTokens + t]);
        ASSERT_EQ(kept_[slot], next[row][t]) << "row " << row << ", " << t;
      }
    }
  }

  std::vector<Answer> answers(std::size_t request) const {
    std::vector<Answer> all;
    for (std::size_t k = 0; k < beams(); ++k) {
      const BeamSlot& slot = slots_[request * beams() + k];
      if (slot.complete == 0) continue;
      Tokens tokens = {slot.token};
      std::size_t beam = static_cast<std::size_t>(slot.parent);
      for (int t = slot.length - 2; t >= 0; --t) {
        const std::size_t at =
            (request * kMaxNewTokens + static_cast<std::size_t>(t)) * beams() + beam;
        tokens.insert(tokens.begin(), tokens_[at]);
        beam = static_cast<std::size_t>(parents_[at]);
      }
      all.push_back({tokens, slot.score});
    }
    return all;
  }

  // All that a step may change, but for the status.
  std::vector<std::vector<std::int32_t>> state() const {
    return {
        steps_,     rows_,         parents_,    tokens_,  next_tokens_,
        positions_, append_slots_, tail_slots_, lengths_, Tokens(scores_.begin(), scores_.end())};
  }

 private:
  BeamStepBuffers buffers() {
    return {.max = max_.data(),
            .log_sum = log_sum_.data(),
            .not_finite = not_finite_.data(),
            .best_logits = best_logits_.data(),
            .best_tokens = best_tokens_.data(),
            .stop_ids = settings_.stop_ids.data(),
            .divisors = divisors_.data(),
            .first_positions = first_positions_.data(),
            .own_slots = own_slots_.data(),
            .status = status_.data(),
            .steps = steps_.data(),
            .rows = rows_.data(),
            .scores = scores_.data(),
            .slots = slots_.data(),
            .parents = parents_.data(),
            .tokens = tokens_.data(),
            .next_tokens = next_tokens_.data(),
            .positions = positions_.data(),
            .append_slots = append_slots_.data(),
            .tail_slots = tail_slots_.data(),
            .lengths = lengths_.data()};
  }

  Settings settings_;
  std::size_t count_;
  BeamStepProblem problem_;
  std::vector<float> logits_, max_, log_sum_, best_logits_, divisors_, scores_;
  Tokens best_tokens_, not_finite_, first_positions_, own_slots_, status_, steps_, rows_, parents_,
      tokens_, next_tokens_, positions_, append_slots_, tail_slots_, lengths_;
  std::vector<BeamSlot> slots_;
  std::vector<Tokens> sequences_;  // new tokens of each row
  Tokens kept_;                    // what is in each slot of keys and values
};

void expect_answers_of_search(const Settings& settings, std::size_t requests,
                              const emulator::Schedule& schedule) {
  DeviceSearch device(static_cast<std::int32_t>(requests), settings);
  for (int i = 0; i < kMaxNewTokens && device.runs(); ++i) {  // some end before others
    device.pass();
    device.step(schedule);
    device.follow();
  }
  for (std::size_t request = 0; request < requests; ++request) {
    SCOPED_TRACE(std::to_string(settings.beams) + " beams, request " + std::to_string(request));
    ASSERT_EQ(device.status(request), kBeamsComplete);
    const std::vector<Answer> want = answers_of_search(request, settings);
    const std::vector<Answer> got = device.answers(request);
    ASSERT_EQ(got.size(), want.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
      EXPECT_EQ(got[i].tokens, want[i].tokens) << i;
      EXPECT_NEAR(got[i].score, want[i].score, 1e-5 * std::abs(want[i].score)) << i;
    }
  }
}

TEST(BeamStepTest, FindsWhatTheSearchOnTheHostFinds) {
  const std::vector<emulator::Schedule> orders = emulator::schedules();
  for (const emulator::Schedule& order : orders) {
    expect_answers_of_search({2, Early::no, 1.0, {2}}, 2, order);
  }
  expect_answers_of_search({5, Early::yes, 1.0, {2}}, 1, orders[0]);
  expect_answers_of_search({3, Early::yes, 1.0, {2}, 5}, 1, orders[0]);  // ends before it would
  // Better answers come behind others, which move.
  expect_answers_of_search({3, Early::never, 2.0, {2, 7}, 2}, 1, orders[1]);
  expect_answers_of_search({2, Early::no, -1.0, {60}}, 1, orders[2]);
  expect_answers_of_search({4, Early::never, 0.0, {2}}, 1, orders[1]);
  expect_answers_of_search({2, Early::no, 1.0, {}}, 1, orders[2]);  // the length alone ends them
}

TEST(BeamStepTest, LeavesEqualScoresToTheHost) {
  DeviceSearch device(2, {3, Early::no, 1.0, {2}});
  device.pass();
  // The last that is looked at of the first request, and the next one, are equal.
  std::vector<float>& logits = device.logits();
  for (std::size_t i = 0; i < kVocabulary; ++i) logits[i] = static_cast<float>(i) * 0.125f;
  logits[kVocabulary - 7] = logits[kVocabulary - 6];
  const auto before = device.state();
  device.step({});
  EXPECT_EQ(device.status(0), kBeamsUndecided);
  EXPECT_EQ(device.status(1), kBeamsRunning);
  const auto after = device.state();
  for (std::size_t i = 0; i < before.size(); ++i) {
    const std::size_t half = before[i].size() / 2;
    EXPECT_EQ(Tokens(before[i].begin(), before[i].begin() + static_cast<std::ptrdiff_t>(half)),
              Tokens(after[i].begin(), after[i].begin() + static_cast<std::ptrdiff_t>(half)))
        << i;
  }
  EXPECT_NE(before, after);  // the second went on
}

TEST(BeamStepTest, StopsAtLogitsThatAreNotFinite) {
  DeviceSearch device(2, {2, Early::no, 1.0, {2}});
  device.pass();
  device.logits()[kVocabulary + 5] = std::numeric_limits<float>::quiet_NaN();
  device.step({});
  EXPECT_EQ(device.status(0), kBeamsRunning);
  EXPECT_EQ(device.status(1), kBeamsNotFinite);
}

TEST(BeamStepTest, RefusesWhatItCannotDo) {
  BeamStepProblem problem{.requests = 1, .beams = 17, .candidates = 34, .max_new_tokens = 1};
  EXPECT_STREQ(beam_step_refuses(problem), "there are 1 to 16 beams");
  problem.beams = 5;
  problem.candidates = 9;
  EXPECT_STREQ(beam_step_refuses(problem),
               "at least two candidates for each beam are looked at, and at most 63");
  problem.candidates = 10;
  problem.max_new_tokens = 0;
  EXPECT_STREQ(beam_step_refuses(problem), "there is at least one new token");
}

}  // namespace
}  // namespace instructblip::kernels::cuda
