// The hypotheses of a beam search that go on, and their best continuations: what every beam search
// does alike, whatever it does about complete answers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "decoding/logits_processors.h"
#include "decoding/random.h"
#include "decoding/search.h"
#include "decoding/warpers.h"
#include "decoding/watch.h"

namespace instructblip {

// What the reference gives scores that must not win. Not -inf: two of them still have an order.
inline constexpr float kNever = -1e9f;

// A hypothesis that goes on.
struct Beam {
  std::vector<std::int32_t> sequence;  // prompt, then new tokens
  std::vector<float> logprobs;         // one per new token, raw; empty unless asked for
  float score;                         // sum of processed log probabilities
};

// A running beam and one more token.
struct Candidate {
  std::size_t beam;
  std::int32_t token;
  float score;
  float logprob;                       // log probability of the token, raw
  std::optional<FinishReason> finish;  // set where it may not go on
};

// A complete answer.
struct Hypothesis {
  std::vector<std::int32_t> tokens;  // the new ones
  std::vector<float> logprobs;
  double score = 0;  // normalised by the length
  FinishReason finish_reason = FinishReason::length;
};

class RunningBeams {
 public:
  // `request` and `watch` outlive this object.
  RunningBeams(const DecodeRequest& request, const Watch& watch, std::size_t vocabulary);

  // The step that reads the last tokens of all.
  Step step() const;

  // The best continuations by the logits of that step, best first (drawn: in the order of the draws
  // or, as the request's beam scorer has it, best first): more than there are beams, since one end
  // token per beam may be among them and the rest must go on.
  std::vector<Candidate> continuations(std::span<const RowSummary> rows, Logits& logits);

  // With the candidate's token.
  Beam extended(const Candidate& candidate) const;
  // The new tokens of a continuation as a complete answer of this score.
  Hypothesis completed(const Candidate& candidate, double score) const;
  // The same of a running beam.
  Hypothesis completed(const Beam& beam, double score, FinishReason reason) const;

  // These go on, at most as many as there are beams.
  void advance(std::span<const Candidate> chosen);

  std::size_t size() const { return size_; }
  std::span<const Beam> beams() const { return running_; }  // as they were chosen
  int length() const { return length_; }                    // new tokens of each

 private:
  void plan();
  std::vector<Candidate> listed(std::span<const RowSummary> rows) const;
  std::optional<std::vector<Candidate>> best_listed(std::span<const RowSummary> rows) const;
  std::vector<Candidate> from_whole_rows(std::span<const RowSummary> rows, Logits& logits);
  void add_up(std::span<const RowSummary> rows, Logits& logits);
  bool reads_whole_rows() const {
    return *request_.options.do_sample || processors_.need_whole_rows();
  }
  bool go_on_by_their_scores() const;
  std::size_t row_of(std::size_t beam) const { return length_ == 0 ? 0 : beam; }
  std::vector<std::size_t> best_totals() const;
  std::vector<std::size_t> drawn_totals() const;
  std::span<const std::int32_t> new_tokens(const Beam& beam) const;

  const DecodeRequest& request_;
  const Watch& watch_;
  LogitsProcessors processors_;
  Warpers warpers_;
  Random random_;
  std::size_t vocabulary_;
  std::size_t size_;
  std::size_t candidates_;     // chosen in each step
  std::vector<float> totals_;  // [beams, vocabulary]; scratch, where whole rows are read
  std::vector<Beam> running_;
  std::vector<std::vector<ScoreEdit>> edits_;     // due to the rows of the step
  std::vector<std::vector<std::int32_t>> named_;  // tokens of those
  std::vector<std::int32_t> sources_;             // for running_: rows of the last logits
  std::vector<std::int32_t> tokens_;              // for running_: last tokens
  std::vector<float> scores_;                     // for running_
  int length_ = 0;
};

}  // namespace instructblip
