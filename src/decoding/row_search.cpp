#include "decoding/row_search.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "decoding/logits_processors.h"
#include "decoding/random.h"
#include "decoding/top_k.h"
#include "decoding/warpers.h"
#include "decoding/watch.h"
#include "instructblip/error.h"

namespace instructblip {
namespace {

struct Row {
  std::uint32_t number;                // number of the draws, whatever other rows do
  std::vector<std::int32_t> sequence;  // prompt, then new tokens
  std::vector<float> logprobs;         // one per new token
  std::vector<ScoreEdit> edits = {};   // due to the scores of the next one
  FinishReason finish_reason = FinishReason::length;
};

// A token and its raw logit.
struct Choice {
  std::int32_t token;
  float logit;
};

[[noreturn]] void throw_nothing_left(int step) {
  throw Error(ErrorCode::invalid_argument,
              "options: every token is banned at step " + std::to_string(step) +
                  ", expected at least one that may be drawn",
              "lower no_repeat_ngram_size or min_new_tokens, or shorten bad_words_ids or "
              "suppress_tokens");
}

class RowSearch final : public Search {
 public:
  RowSearch(DecodeRequest request, std::size_t vocabulary)
      : request_(std::move(request)),
        watch_(request_),
        processors_(request_.options, request_.stop_ids, request_.prompt_ids.size(),
                    request_.bad_words_from_first_id, vocabulary),
        warpers_(request_.options, request_.stop_ids.size()),
        random_(*request_.options.seed) {
    processors_.refuse_empty(request_.is_empty);
    for (int i = 0; i < *request_.options.num_return_sequences; ++i) {
      running_.push_back({static_cast<std::uint32_t>(i), request_.prompt_ids, {}});
    }
    plan();
  }

  std::vector<DecodedSequence> result() override {
    std::sort(ended_.begin(), ended_.end(),
              [](const Row& a, const Row& b) { return a.number < b.number; });
    std::vector<DecodedSequence> sequences;
    for (Row& row : ended_) {
      const auto tokens = new_tokens(row);
      double score = 0;
      for (const float logprob : row.logprobs) score += static_cast<double>(logprob);
      if (!request_.options.logprobs) row.logprobs.clear();
      sequences.push_back(
          {{tokens.begin(), tokens.end()}, row.finish_reason, score, std::move(row.logprobs)});
    }
    std::stable_sort(
        sequences.begin(), sequences.end(),
        [](const DecodedSequence& a, const DecodedSequence& b) { return a.score > b.score; });
    return sequences;
  }

 private:
  std::optional<Step> propose() override {
    if (!running_.empty() && watch_.cancelled(step_)) end_all(FinishReason::cancelled);
    if (running_.empty()) return std::nullopt;
    if (reads_whole_rows()) {
      return Step{.sources = sources_, .tokens = tokens_, .whole_rows = true};
    }
    Step step{.sources = sources_, .tokens = tokens_, .named = named_, .top = 1};
    if (goes_on_with_its_best()) step.next = NextRows{.stop_ids = request_.stop_ids};
    return step;
  }

  // The one row, as far as is known before its next token.
  bool goes_on_with_its_best() const {
    if (*request_.options.num_return_sequences != 1) return false;
    const Row& row = running_.front();
    return only_bans(row.edits) &&
           std::ssize(new_tokens(row)) + 1 < *request_.options.max_new_tokens;
  }

  bool reads_whole_rows() const {
    return *request_.options.do_sample || processors_.need_whole_rows();
  }

  // What the processors will do to the logits of the next step.
  void plan() {
    named_.clear();
    for (Row& row : running_) {
      row.edits = processors_.edits(row.sequence);
      named_.push_back(tokens_of(row.edits));
    }
  }

  std::span<const std::int32_t> new_tokens(const Row& row) const {
    return std::span(row.sequence).subspan(request_.prompt_ids.size());
  }

  // One token for every running row, which has a row of logits or shares one, the prompt's, with
  // all others. Afterwards running_ holds the rows that go on, tokens_ their last tokens and
  // sources_ their rows of the logits.
  void extend(std::span<const RowSummary> rows, Logits& logits) override {
    const bool shared = step_ == 0;
    std::vector<Row> going_on;
    sources_.clear();
    tokens_.clear();
    std::int32_t last = -1;
    for (std::size_t i = 0; i < running_.size(); ++i) {
      Row& row = running_[i];
      const std::size_t source = shared ? 0 : i;
      const Choice chosen =
          reads_whole_rows() ? chosen_of(row, logits.row(source)) : best(row, rows[source]);
      row.logprobs.push_back(rows[source].normalizer(chosen.logit));
      row.sequence.push_back(chosen.token);
      last = chosen.token;
      if (const auto reason = watch_.finished(new_tokens(row))) {
        row.finish_reason = *reason;
        ended_.push_back(std::move(row));
      } else {
        sources_.push_back(static_cast<std::int32_t>(source));
        tokens_.push_back(last);
        going_on.push_back(std::move(row));
      }
    }
    running_ = std::move(going_on);
    plan();
    ++step_;
    const Flow flow = watch_.tell(*request_.options.num_return_sequences == 1 ? last : -1);
    if (flow == Flow::stop) end_all(FinishReason::stop);
    if (flow == Flow::cancel) end_all(FinishReason::cancelled);
  }

  // The token of the highest score, the lowest one of equals.
  Choice best(const Row& row, const RowSummary& summary) const {
    Choice best{std::numeric_limits<std::int32_t>::max(), 0};
    float highest = -std::numeric_limits<float>::infinity();
    const auto consider = [&](std::int32_t token, float score, float logit) {
      if (score < highest || (score == highest && token > best.token)) return;
      best = {token, logit};
      highest = score;
    };
    for (const Ranked& other : summary.best) {
      consider(static_cast<std::int32_t>(other.index), other.value, other.value);
    }
    for (std::size_t i = 0; i < row.edits.size(); ++i) {
      const float logit = summary.named[i];
      consider(row.edits[i].token, processors_.edited(row.edits[i], logit), logit);
    }
    return best;
  }

  // The choice among all tokens: drawn, or the best.
  Choice chosen_of(const Row& row, std::span<const float> logits) {
    scores_.assign(logits.begin(), logits.end());
    processors_.process(scores_, row.edits, row.sequence);
    if (!*request_.options.do_sample) {
      const std::size_t best = arg_max(scores_);
      return {static_cast<std::int32_t>(best), logits[best]};
    }
    warpers_.apply(scores_);
    const std::vector<double> weights = softmax_weights(scores_);
    if (weights.empty()) throw_nothing_left(step_);
    const std::size_t token =
        draw(weights, random_.uniform(row.number, static_cast<std::uint32_t>(step_)));
    return {static_cast<std::int32_t>(token), logits[token]};
  }

  void end_all(FinishReason reason) {
    for (Row& row : running_) {
      row.finish_reason = reason;
      ended_.push_back(std::move(row));
    }
    running_.clear();
  }

  DecodeRequest request_;
  Watch watch_;
  LogitsProcessors processors_;
  Warpers warpers_;
  Random random_;
  std::vector<float> scores_;  // [vocabulary] where whole rows are read, scratch
  std::vector<Row> running_;
  std::vector<std::vector<std::int32_t>> named_;  // for each of running_: tokens of its edits
  std::vector<std::int32_t> sources_,
      tokens_;  // for running_: rows of the last logits, last tokens
  std::vector<Row> ended_;
  int step_ = 0;
};

}  // namespace

std::unique_ptr<Search> make_row_search(DecodeRequest request, std::size_t vocabulary) {
  return std::make_unique<RowSearch>(std::move(request), vocabulary);
}

}  // namespace instructblip
