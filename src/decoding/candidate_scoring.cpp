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

using Tokens = std::vector<std::int32_t>;

class CandidateScoring final : public Search {
 public:
  CandidateScoring(DecodeRequest request, std::vector<Tokens> candidates,
                   const ScoringLimits& limits)
      : request_(std::move(request)),
        watch_(request_),
        limits_(limits),
        candidates_(std::move(candidates)),
        logprobs_(candidates_.size()),
        order_(candidates_.size()) {
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    // Those with the same beginning stand together.
    std::ranges::stable_sort(order_, {}, [this](std::size_t i) { return candidates_[i]; });
    rows_ = {{0, order_.size()}};  // the prompt
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
  // Candidates that share a text, by their places in order_; all of them go on.
  struct Range {
    std::size_t begin, end;
  };
  // A text one token longer, to be run: a node of the trie.
  struct Node {
    std::int32_t source, token;  // row of the step that found it, and what it adds to it
    Range range;
    std::size_t longest;  // tokens that are left of the longest candidate
  };
  // What one step found.
  struct Level {
    std::size_t length;  // tokens of its texts
    std::vector<Node> nodes;
    std::size_t next = 0;  // in `nodes`: the first that has not been run
  };

  std::optional<Step> propose() override {
    if (rows_.empty()) return std::nullopt;
    if (watch_.cancelled(steps_run_)) {
      throw Error(ErrorCode::cancelled, "stopped before every candidate had its score");
    }
    return Step{.sources = sources_,
                .tokens = tokens_,
                .back_to = back_to_,
                .kept = kept_,
                .length = kept_ ? length_ - 1 : 0,
                .named = named_};
  }

  void extend(std::span<const RowSummary> rows, Logits& /*logits*/) override {
    ++steps_run_;
    Level found{length_, {}};
    for (std::size_t r = 0; r < rows_.size(); ++r) read_row(r, rows[r], found);
    if (!found.nodes.empty()) levels_.push_back(std::move(found));
    plan();
    name();
  }

  // The next token of every candidate of row `r`; texts that go on behind it become nodes.
  void read_row(std::size_t r, const RowSummary& row, Level& found) {
    std::size_t i = rows_[r].begin;
    for (std::size_t n = 0; n < named_[r].size(); ++n) {
      const float logprob = row.normalizer(row.named[n]);
      Node node{static_cast<std::int32_t>(r), named_[r][n], {i, i}, 0};
      for (; i < rows_[r].end && candidates_[order_[i]][length_] == node.token; ++i) {
        logprobs_[order_[i]].push_back(logprob);
        const std::size_t left = candidates_[order_[i]].size() - length_ - 1;
        if (left == 0) node.range.begin = i + 1;  // the shorter ones come first
        node.longest = std::max(node.longest, left);
      }
      node.range.end = i;
      if (node.longest > 0) found.nodes.push_back(node);
    }
  }

  // What is run next: as much as the limits allow of what the last step found, or of what was left
  // by an earlier one.
  void plan() {
    rows_.clear();
    sources_.clear();
    tokens_.clear();
    back_to_.reset();
    while (!levels_.empty() && levels_.back().next == levels_.back().nodes.size()) {
      levels_.pop_back();
    }
    if (levels_.empty()) return;
    Level& level = levels_.back();
    const bool goes_back = level.next > 0;
    if (goes_back) back_to_ = level.length;
    std::size_t longest = 0;
    for (; level.next < level.nodes.size(); ++level.next) {
      const Node& node = level.nodes[level.next];
      longest = std::max(longest, node.longest);
      const std::size_t count = rows_.size() + 1;
      if (count > 1 && (count > limits_.rows || count * longest > limits_.tokens)) break;
      rows_.push_back(node.range);
      sources_.push_back(node.source);
      tokens_.push_back(node.token);
    }
    kept_ = !goes_back && level.next < level.nodes.size();
    length_ = level.length + 1;
  }

  // The next tokens of all candidates, by row: ascending, since the candidates are sorted and have
  // all that stands before in common.
  void name() {
    named_.assign(rows_.size(), {});
    for (std::size_t r = 0; r < rows_.size(); ++r) {
      for (std::size_t i = rows_[r].begin; i < rows_[r].end; ++i) {
        const std::int32_t token = candidates_[order_[i]][length_];
        if (named_[r].empty() || named_[r].back() != token) named_[r].push_back(token);
      }
    }
  }

  DecodeRequest request_;
  Watch watch_;
  ScoringLimits limits_;
  std::vector<Tokens> candidates_;
  std::vector<std::vector<float>> logprobs_;  // one list per candidate, as far as it is scored
  std::vector<std::size_t> order_;            // candidates, sorted by their tokens
  std::vector<Level> levels_;                 // with nodes that are to be run; each longer
  int steps_run_ = 0;

  // The step that has been named: its rows, none where all is done, and the tokens of their texts.
  std::vector<Range> rows_;
  std::size_t length_ = 0;
  std::vector<std::int32_t> sources_, tokens_;
  std::vector<Tokens> named_;
  std::optional<std::size_t> back_to_;
  bool kept_ = false;
};

}  // namespace

std::unique_ptr<Search> make_candidate_scoring(DecodeRequest request,
                                               std::vector<Tokens> candidates,
                                               std::int64_t vocabulary,
                                               const ScoringLimits& limits) {
  for (const auto& candidate : candidates) {
    for (const std::int32_t token : candidate) {
      if (token < vocabulary) continue;
      throw Error(ErrorCode::invalid_argument,
                  "rank: a candidate has token " + std::to_string(token) +
                      ", expected tokens below " + std::to_string(vocabulary) +
                      ", which the language model can answer with");
    }
  }
  return std::make_unique<CandidateScoring>(std::move(request), std::move(candidates), limits);
}

}  // namespace instructblip
