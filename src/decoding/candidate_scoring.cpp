#include "decoding/candidate_scoring.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <string>
#include <utility>

#include "decoding/watch.h"
#include "instructblip/error.h"

namespace instructblip {
namespace {

class CandidateScoring final : public Search {
 public:
  CandidateScoring(DecodeRequest request, std::vector<std::vector<std::int32_t>> candidates)
      : request_(std::move(request)),
        watch_(request_),
        candidates_(std::move(candidates)),
        logprobs_(candidates_.size()),
        rows_(candidates_.size(), 0),
        going_on_(candidates_.size()) {
    std::iota(going_on_.begin(), going_on_.end(), std::size_t{0});
    // Those with the same beginning stand together, and so they do after every step.
    std::ranges::stable_sort(going_on_, {}, [this](std::size_t i) { return candidates_[i]; });
    name();
  }

  std::vector<DecodedSequence> result() override {
    std::vector<DecodedSequence> sequences;
    for (std::size_t i = 0; i < candidates_.size(); ++i) {
      const double sum = std::accumulate(logprobs_[i].begin(), logprobs_[i].end(), 0.0);
      sequences.push_back(
          {std::move(candidates_[i]), FinishReason::stop, sum, std::move(logprobs_[i])});
    }
    return sequences;
  }

 private:
  std::optional<Step> propose() override {
    if (going_on_.empty()) return std::nullopt;
    if (watch_.cancelled(static_cast<int>(length_))) {
      throw Error(ErrorCode::cancelled, "rank: stopped before every candidate had its score");
    }
    return Step{.sources = sources_, .tokens = tokens_, .named = named_};
  }

  void extend(std::span<const RowSummary> rows, Logits& /*logits*/) override {
    for (const std::size_t i : going_on_) {
      const std::vector<std::int32_t>& named = named_[rows_[i]];
      const auto at = std::ranges::lower_bound(named, candidates_[i][length_]) - named.begin();
      const RowSummary& row = rows[rows_[i]];
      logprobs_[i].push_back(row.normalizer(row.named[static_cast<std::size_t>(at)]));
    }
    read_on();
  }

  // A row for each different beginning, one token longer than before, that some candidate goes on
  // from.
  void read_on() {
    ++length_;
    std::erase_if(going_on_, [this](std::size_t i) { return candidates_[i].size() == length_; });
    sources_.clear();
    tokens_.clear();
    std::optional<std::pair<std::size_t, std::int32_t>> last;  // row before, token
    for (const std::size_t i : going_on_) {
      const std::pair here(rows_[i], candidates_[i][length_ - 1]);
      if (here != last) {
        sources_.push_back(static_cast<std::int32_t>(here.first));
        tokens_.push_back(here.second);
        last = here;
      }
      rows_[i] = tokens_.size() - 1;
    }
    name();
  }

  // The next tokens of all candidates, by row. In a row they come in ascending order, since the
  // candidates are sorted and have all that stands before in common.
  void name() {
    named_.assign(std::max<std::size_t>(1, tokens_.size()), {});
    for (const std::size_t i : going_on_) {
      std::vector<std::int32_t>& named = named_[rows_[i]];
      const std::int32_t token = candidates_[i][length_];
      if (named.empty() || named.back() != token) named.push_back(token);
    }
  }

  DecodeRequest request_;
  Watch watch_;
  std::vector<std::vector<std::int32_t>> candidates_;
  std::vector<std::vector<float>> logprobs_;      // one list per candidate, as far as it is scored
  std::vector<std::size_t> rows_;                 // each candidate's row in the logits of this step
  std::vector<std::size_t> going_on_;             // candidates with tokens left, sorted by tokens
  std::vector<std::int32_t> sources_, tokens_;    // this step's
  std::vector<std::vector<std::int32_t>> named_;  // this step's
  std::size_t length_ = 0;                        // tokens of each that have been scored
};

}  // namespace

std::unique_ptr<Search> make_candidate_scoring(DecodeRequest request,
                                               std::vector<std::vector<std::int32_t>> candidates,
                                               std::int64_t vocabulary) {
  for (const auto& candidate : candidates) {
    for (const std::int32_t token : candidate) {
      if (token < vocabulary) continue;
      throw Error(ErrorCode::invalid_argument,
                  "rank: a candidate has token " + std::to_string(token) +
                      ", expected tokens below " + std::to_string(vocabulary) +
                      ", which the language model can answer with");
    }
  }
  return std::make_unique<CandidateScoring>(std::move(request), std::move(candidates));
}

}  // namespace instructblip
