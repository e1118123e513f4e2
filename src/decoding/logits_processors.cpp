#include "decoding/logits_processors.h"

#include <algorithm>
#include <limits>

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
      stop_ids_(stop_ids),
      collected_(vocabulary) {}

std::vector<ScoreEdit> LogitsProcessors::edits(std::span<const std::int32_t> sequence) {
  if (repetition_penalty_ != 1.0f) collected_.penalize(sequence);
  if (ngram_size_ > 0) ban_repeated_ngrams(collected_, sequence, ngram_size_);
  ban_runs(collected_, sequence, bad_words_, sequence.size() + (bad_words_from_first_id_ ? 1 : 0));
  if (sequence.size() < min_length_) collected_.ban(stop_ids_);
  collected_.ban(suppressed_);
  if (sequence.size() == prompt_length_) collected_.ban(suppressed_first_);
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

std::vector<std::int32_t> tokens_of(std::span<const ScoreEdit> edits) {
  std::vector<std::int32_t> tokens;
  tokens.reserve(edits.size());
  for (const ScoreEdit& edit : edits) tokens.push_back(edit.token);
  return tokens;
}

}  // namespace instructblip
