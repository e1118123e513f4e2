#include "decoding/logits_processors.h"

#include <algorithm>
#include <limits>
#include <string>

#include "decoding/log_softmax.h"
#include "decoding/top_k.h"
#include "instructblip/error.h"

namespace instructblip {
namespace {

constexpr float kBanned = -std::numeric_limits<float>::infinity();

// Without the runs that are an end token alone: those are never banned.
std::vector<std::vector<std::int32_t>> without_ends(std::vector<std::vector<std::int32_t>> runs,
                                                    std::span<const std::int32_t> stop_ids) {
  std::erase_if(runs, [&](const std::vector<std::int32_t>& run) {
    return run.size() == 1 && std::ranges::find(stop_ids, run.front()) != stop_ids.end();
  });
  return runs;
}

}  // namespace

void ScoreEdits::mark(std::span<const std::int32_t> tokens, Mark mark) {
  for (const std::int32_t token : tokens) {
    if (token < 0 || static_cast<std::size_t>(token) >= marks_.size()) continue;
    Mark& present = marks_[static_cast<std::size_t>(token)];
    if (present == Mark::none) touched_.push_back(token);
    present = std::max(present, mark);
  }
}

std::vector<ScoreEdit> ScoreEdits::take() {
  std::ranges::sort(touched_);
  std::vector<ScoreEdit> edits;
  edits.reserve(touched_.size());
  for (const std::int32_t token : touched_) {
    Mark& mark = marks_[static_cast<std::size_t>(token)];
    edits.push_back({token, mark == Mark::banned});
    mark = Mark::none;
  }
  touched_.clear();
  return edits;
}

void ban_repeated_ngrams(ScoreEdits& edits, std::span<const std::int32_t> sequence,
                         std::size_t size) {
  if (sequence.size() < size) return;
  const auto started = sequence.last(size - 1);  // the n-gram that the next token would complete
  for (std::size_t i = 0; i + size <= sequence.size(); ++i) {
    const auto earlier = sequence.subspan(i, size);
    if (std::equal(started.begin(), started.end(), earlier.begin())) edits.ban(earlier.last(1));
  }
}

void ban_runs(ScoreEdits& edits, std::span<const std::int32_t> sequence,
              std::span<const std::vector<std::int32_t>> banned, std::size_t longest) {
  for (const std::span<const std::int32_t> run : banned) {
    const auto before = run.first(run.size() - 1);
    if (before.size() > sequence.size() || run.size() > std::max<std::size_t>(1, longest)) continue;
    if (std::ranges::equal(before, sequence.last(before.size()))) edits.ban(run.last(1));
  }
}

void force_tokens(std::span<float> scores, std::span<const std::int32_t> tokens, const char* name) {
  std::ranges::fill(scores, kBanned);
  for (const std::int32_t id : tokens) {
    if (id < 0 || static_cast<std::size_t>(id) >= scores.size()) {
      throw Error(ErrorCode::bad_model,
                  std::string(name) + ": expected ids of at most " +
                      std::to_string(scores.size() - 1) + ", got " + std::to_string(id),
                  std::string("correct ") + name +
                      " in the model's files, or give the option of this name");
    }
    scores[static_cast<std::size_t>(id)] = 0;
  }
}

void remove_invalid(std::span<float> scores) {
  constexpr float kGreatest = std::numeric_limits<float>::max();
  for (float& score : scores) score = std::clamp(score, -kGreatest, kGreatest);
}

void renormalize(std::span<float> scores) {
  if (max_value(scores) == kBanned) return;
  const LogNormalizer normalizer = log_normalizer(scores);
  for (float& score : scores) score = normalizer(score);
}

LogitsProcessors::LogitsProcessors(const GenerationConfig& options,
                                   std::span<const std::int32_t> stop_ids,
                                   std::size_t prompt_length, bool bad_words_from_first_id,
                                   std::size_t vocabulary)
    : repetition_penalty_(static_cast<float>(*options.repetition_penalty)),
      ngram_size_(static_cast<std::size_t>(*options.no_repeat_ngram_size)),
      bad_words_(without_ends(*options.bad_words_ids, stop_ids)),
      bad_words_from_first_id_(bad_words_from_first_id),
      suppressed_(*options.suppress_tokens),
      suppressed_first_(*options.begin_suppress_tokens),
      prompt_length_(prompt_length),
      min_length_(prompt_length + static_cast<std::size_t>(*options.min_new_tokens)),
      max_length_(prompt_length + static_cast<std::size_t>(*options.max_new_tokens)),
      forced_last_(*options.forced_eos_token_id),
      remove_invalid_(*options.remove_invalid_values),
      renormalize_(*options.renormalize_logits && !*options.do_sample),
      vocabulary_(vocabulary),
      stop_ids_(stop_ids),
      collected_(vocabulary) {
  if (*options.forced_bos_token_id >= 0) forced_first_ = {*options.forced_bos_token_id};
  needs_whole_rows_ =
      remove_invalid_ || renormalize_ || !forced_first_.empty() || !forced_last_.empty();
}

void LogitsProcessors::collect_before_forcing(std::span<const std::int32_t> sequence) {
  if (repetition_penalty_ != 1.0f) collected_.penalize(sequence);
  if (ngram_size_ > 0) ban_repeated_ngrams(collected_, sequence, ngram_size_);
  ban_runs(collected_, sequence, bad_words_, sequence.size() + (bad_words_from_first_id_ ? 1 : 0));
  if (sequence.size() < min_length_) collected_.ban(stop_ids_);
  if (is_empty_) ban_empty(sequence);
}

void LogitsProcessors::ban_empty(std::span<const std::int32_t> sequence) {
  const auto fresh = sequence.subspan(prompt_length_);
  if (!is_empty_(fresh)) return;
  collected_.ban(stop_ids_);
  // Where the very last token is forced, the one before is the last that is chosen.
  const std::size_t last = max_length_ - (forced_last_.empty() ? 1 : 2);
  if (sequence.size() != last) return;
  std::vector<std::int32_t> longer(fresh.begin(), fresh.end());
  longer.push_back(0);
  for (std::size_t id = 0; id < vocabulary_; ++id) {
    longer.back() = static_cast<std::int32_t>(id);
    if (is_empty_(longer)) collected_.ban({&longer.back(), 1});
  }
}

void LogitsProcessors::collect_behind_forcing(std::span<const std::int32_t> sequence) {
  collected_.ban(suppressed_);
  // Where the first token is forced, the second is the first that is chosen.
  const std::size_t first =
      prompt_length_ + (!forced_first_.empty() && prompt_length_ <= 1 ? 1 : 0);
  if (sequence.size() == first) collected_.ban(suppressed_first_);
}

std::vector<ScoreEdit> LogitsProcessors::edits(std::span<const std::int32_t> sequence) {
  collect_before_forcing(sequence);
  collect_behind_forcing(sequence);
  return collected_.take();
}

float LogitsProcessors::edited(const ScoreEdit& edit, float score) const {
  if (edit.banned) return kBanned;
  return score < 0 ? score * repetition_penalty_ : score / repetition_penalty_;
}

void LogitsProcessors::apply(std::span<const ScoreEdit> edits, std::span<float> scores) const {
  for (const ScoreEdit& edit : edits) {
    float& score = scores[static_cast<std::size_t>(edit.token)];
    score = edited(edit, score);
  }
}

void LogitsProcessors::process(std::span<float> scores, std::span<const ScoreEdit> edits,
                               std::span<const std::int32_t> sequence) {
  if (!needs_whole_rows_) return apply(edits, scores);
  collect_before_forcing(sequence);
  apply(collected_.take(), scores);
  if (!forced_first_.empty() && sequence.size() == 1) {
    force_tokens(scores, forced_first_, "forced_bos_token_id");
  }
  if (!forced_last_.empty() && sequence.size() + 1 == max_length_) {
    force_tokens(scores, forced_last_, "forced_eos_token_id");
  }
  if (remove_invalid_) remove_invalid(scores);
  collect_behind_forcing(sequence);
  apply(collected_.take(), scores);
  if (renormalize_) renormalize(scores);
}

bool only_bans(std::span<const ScoreEdit> edits) {
  return std::ranges::all_of(edits, &ScoreEdit::banned);
}

std::vector<std::int32_t> tokens_of(std::span<const ScoreEdit> edits) {
  std::vector<std::int32_t> tokens;
  tokens.reserve(edits.size());
  for (const ScoreEdit& edit : edits) tokens.push_back(edit.token);
  return tokens;
}

}  // namespace instructblip
