// What a search reads of the logits: so little that they can stay where they are computed.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "decoding/log_softmax.h"
#include "decoding/top_k.h"

namespace instructblip {

// How the rows of a step follow from no more than the summaries of the step before: for who begins
// it before the search has seen them, which may ask for another one all the same, or for none.
struct NextRows {
  // Number of continuations of all rows that are looked at, the best sums of log probabilities
  // first; the first of them that do not end go on, as many as there are rows. Where sums among
  // them, or the last of them and the next one, are equal, the search has to decide. 1: the row
  // goes on with its best token.
  std::size_t candidates = 1;
  std::span<const float> scores = {};           // the sum so far of each row; empty where it is 1
  std::span<const std::int32_t> stop_ids = {};  // tokens that end a continuation
};

// What the model is to run, and what of the logits will be read. Borrowed from the search, until it
// has accepted the logits.
struct Step {
  int number = 0;  // from 0, the prompt's

  // Row r continues row sources[r] of the logits before (0: the prompt's) with tokens[r]. Both are
  // empty for the prompt itself, which comes first and has one row.
  std::span<const std::int32_t> sources = {}, tokens = {};
  std::size_t rows() const { return std::max<std::size_t>(1, tokens.size()); }

  // Where the rows do not continue the step before: the model goes back to what it was when a step
  // was `kept`, whose rows had texts of so many tokens behind the prompt. `sources` are the rows
  // that it had then.
  std::optional<std::size_t> back_to = {};
  // A later step will go back to what the model is before this one.
  bool kept = false;
  std::size_t length = 0;  // tokens behind the prompt before this step; read where it is kept

  // Tokens of each row whose logits are read by name: because their scores are edited before they
  // are ranked, or because they are to be scored. Below the vocabulary, ascending, each once; no
  // list at all where no row has any.
  std::span<const std::vector<std::int32_t>> named = {};
  std::span<const std::int32_t> named_in(std::size_t row) const {
    return named.empty() ? std::span<const std::int32_t>() : std::span(named[row]);
  }

  std::size_t top = 0;          // how many of the best among all other tokens are read
  bool whole_rows = false;      // row() will be asked for every row
  bool rows_of_equals = false;  // row() may be asked where scores that decide are equal

  // Set where the named tokens are banned and this is not the last step, as far as is known before.
  std::optional<NextRows> next = {};
};

// One row of logits in short. Raw logits everywhere: penalties and bans are the search's.
struct RowSummary {
  LogNormalizer normalizer;      // normaliser of the whole row
  std::span<const float> named;  // logits of the step's named tokens, in their order
  // The step's `top` largest of all tokens that are not named, largest first, of equal ones (-0
  // equals 0) the lowest token first; fewer only where no more tokens are left.
  std::span<const Ranked> best;
};

// The logits of one step of one request, wherever they are. What its functions return is valid as
// long as the object is.
//
// A device: the head's product leaves float rows in its memory, those of all requests of a pass. A
// block of threads for each row finds the maximum, the sum of exp(x - max) and the first logit that
// is not finite, gathers the named logits, and selects the best of the others by keys of 64 bits:
// the logit as an integer in the same order, then the complement of the token. Two numbers, the
// named and the best go to the host; row() copies rows (pipeline/pass_logits.h). The step is known
// before the model runs, so that all this is queued behind the pass.
//
// A head on the CPU with running top-k: tile by tile over the vocabulary, with a running maximum,
// sum and heap, without ever holding a row; row() computes it anew.
//
// In either, logits rounded to 16 bits would do, but many of them are equal, for which beam search
// reads whole rows. Where ids are to be the reference's, the normaliser has log_normalizer()'s
// bits.
class Logits {
 public:
  virtual ~Logits() = default;

  // A summary for each row of the step. Once, before row().
  // Errors: throw_not_finite(), wherever in the row that logit is.
  virtual std::span<const RowSummary> summarize(const Step& step) = 0;

  // The logits [vocabulary] of a row: for draws (Step::whole_rows), and where scores that decide
  // are equal, since the reference's order among equals depends on all of them.
  virtual std::span<const float> row(std::size_t row) = 0;
};

// A logit that is no finite number. Throws Error(bad_model), naming the step and the token.
[[noreturn]] void throw_not_finite(int step, std::size_t token, float logit);

// A row of logits in memory in short, with what a RowSummary refers to.
struct OwnedSummary {
  std::optional<std::size_t> not_finite;  // the first token whose logit is not; nothing else counts
  LogNormalizer normalizer = {};
  std::vector<float> named;
  std::vector<Ranked> best;
};
// `named` is ascending, each once. Thread-safe.
OwnedSummary summary_of(std::span<const float> logits, std::size_t top,
                        std::span<const std::int32_t> named);

// Logits in memory.
class HostLogits final : public Logits {
 public:
  // [rows, vocabulary], borrowed. `summaries` of all rows for the step that will ask, if somebody
  // has made them already.
  HostLogits(std::span<const float> logits, std::size_t vocabulary,
             std::vector<OwnedSummary> summaries = {})
      : logits_(logits), vocabulary_(vocabulary), own_(std::move(summaries)) {}

  // Errors: as above; internal (not as many as the step has rows).
  std::span<const RowSummary> summarize(const Step& step) override;
  std::span<const float> row(std::size_t row) override {
    return logits_.subspan(row * vocabulary_, vocabulary_);
  }

 private:
  void check_size(const Step& step) const;

  std::span<const float> logits_;
  std::size_t vocabulary_;
  std::vector<OwnedSummary> own_;
  std::vector<RowSummary> summaries_;
};

}  // namespace instructblip
