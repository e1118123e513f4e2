// What the options do to the scores of the next token before one is chosen.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "instructblip/generation.h"

namespace instructblip {

// What is done to one token's score. The usual processors are sparse: they change few scores, each
// by itself, so that nobody has to hold a row of them.
struct ScoreEdit {
  std::int32_t token;
  bool banned;  // -inf; else it has been seen, and the repetition penalty is due

  friend bool operator==(const ScoreEdit&, const ScoreEdit&) = default;
};

// The edits of one row while they are collected. A token counts once, and a ban above a penalty.
class ScoreEdits {
 public:
  explicit ScoreEdits(std::size_t vocabulary) : marks_(vocabulary, Mark::none) {}

  // Tokens outside the vocabulary, as placeholders of a picture may be, are passed over.
  void penalize(std::span<const std::int32_t> tokens) { mark(tokens, Mark::penalized); }
  void ban(std::span<const std::int32_t> tokens) { mark(tokens, Mark::banned); }

  // Ascending by token. Leaves none behind.
  std::vector<ScoreEdit> take();

 private:
  enum class Mark : std::uint8_t { none, penalized, banned };
  void mark(std::span<const std::int32_t> tokens, Mark mark);

  std::vector<Mark> marks_;            // [vocabulary]
  std::vector<std::int32_t> touched_;  // tokens with a mark
};

// A sequence is what the reference calls input_ids: prompt ids (image placeholders included for a
// decoder-only model, the start token for T5), then new tokens.

// Bans every token that would complete an n-gram which `sequence` already contains.
void ban_repeated_ngrams(ScoreEdits& edits, std::span<const std::int32_t> sequence,
                         std::size_t size);

// Bans the last token of each run of `banned` whose other tokens `sequence` ends with. Only runs of
// one token and those up to `longest` count.
void ban_runs(ScoreEdits& edits, std::span<const std::int32_t> sequence,
              std::span<const std::vector<std::int32_t>> banned, std::size_t longest);

// -inf for all but `tokens`, which get 0. Throws Error(bad_model) for one without a row, naming the
// setting `name`.
void force_tokens(std::span<float> scores, std::span<const std::int32_t> tokens, const char* name);

// The lowest and the greatest finite number in the place of infinities.
void remove_invalid(std::span<float> scores);

// Log-softmax; nothing where every score is -inf.
void renormalize(std::span<float> scores);

// The processors that are in force whether or not tokens are drawn, in the reference's order.
class LogitsProcessors {
 public:
  // `options` has every value filled. `stop_ids` outlives this object. Throws
  // Error(invalid_argument) where bad_words_ids holds end tokens alone, as the reference does.
  LogitsProcessors(const GenerationConfig& options, std::span<const std::int32_t> stop_ids,
                   std::size_t prompt_length, bool bad_words_from_first_id, std::size_t vocabulary);

  // From now on no answer may be empty: as DecodeRequest::is_empty, unless that is null.
  using IsEmpty = std::function<bool(std::span<const std::int32_t> new_tokens)>;
  void refuse_empty(IsEmpty is_empty) { is_empty_ = std::move(is_empty); }

  // Whether there are others than edits can say: forced tokens, scores that are repaired or made
  // to log probabilities again. Then process() alone tells what becomes of a row.
  bool need_whole_rows() const { return needs_whole_rows_; }

  // What is due behind `sequence`, ascending by token, each once.
  std::vector<ScoreEdit> edits(std::span<const std::int32_t> sequence);

  // A token's score after its edit. Scores are raw logits in greedy search and sampling, log
  // probabilities in beam search.
  float edited(const ScoreEdit& edit, float score) const;

  // All that is due to a whole row behind `sequence`, of which `edits` are the edits.
  void process(std::span<float> scores, std::span<const ScoreEdit> edits,
               std::span<const std::int32_t> sequence);

 private:
  void collect_before_forcing(std::span<const std::int32_t> sequence);
  void collect_behind_forcing(std::span<const std::int32_t> sequence);
  // Bans what would leave the answer behind `sequence` without a text.
  void ban_empty(std::span<const std::int32_t> sequence);
  void apply(std::span<const ScoreEdit> edits, std::span<float> scores) const;

  float repetition_penalty_;
  std::size_t ngram_size_;
  std::vector<std::vector<std::int32_t>> bad_words_;
  bool bad_words_from_first_id_;
  std::vector<std::int32_t> suppressed_, suppressed_first_;
  std::size_t prompt_length_;
  std::size_t min_length_;  // length of a sequence before which it may not stop
  std::size_t max_length_;
  std::vector<std::int32_t> forced_first_, forced_last_;
  bool remove_invalid_;
  bool renormalize_;  // here, since no warper follows
  bool needs_whole_rows_ = false;
  std::size_t vocabulary_;
  IsEmpty is_empty_ = {};
  std::span<const std::int32_t> stop_ids_;
  ScoreEdits collected_;
};

// Whether all of them are bans.
bool only_bans(std::span<const ScoreEdit> edits);

// The tokens of edits, which a step names.
std::vector<std::int32_t> tokens_of(std::span<const ScoreEdit> edits);

}  // namespace instructblip
