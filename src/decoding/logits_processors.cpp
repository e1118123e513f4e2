#include "decoding/logits_processors.h"

#include <algorithm>
#include <limits>

#include "instructblip/error.h"

namespace instructblip {
namespace {

constexpr float kBanned = -std::numeric_limits<float>::infinity();

bool in_vocabulary(std::int32_t id, std::span<const float> scores) {
  return id >= 0 && static_cast<std::size_t>(id) < scores.size();
}

// Without the runs that are an end token alone: those are never banned.
std::vector<std::vector<std::int32_t>> without_ends(std::vector<std::vector<std::int32_t>> runs,
                                                    std::span<const std::int32_t> stop_ids) {
  std::erase_if(runs, [&](const std::vector<std::int32_t>& run) {
    return run.size() == 1 && std::ranges::find(stop_ids, run.front()) != stop_ids.end();
  });
  return runs;
}

}  // namespace

void penalize_repetition(std::span<float> scores, std::span<const std::int32_t> sequence,
                         float penalty, std::vector<std::uint8_t>& seen) {
  seen.resize(scores.size());
  for (const std::int32_t id : sequence) {
    if (!in_vocabulary(id, scores)) continue;
    const auto token = static_cast<std::size_t>(id);
    if (seen[token] != 0) continue;
    seen[token] = 1;
    float& score = scores[token];
    score = score < 0 ? score * penalty : score / penalty;
  }
  for (const std::int32_t id : sequence) {
    if (in_vocabulary(id, scores)) seen[static_cast<std::size_t>(id)] = 0;
  }
}

void ban_repeated_ngrams(std::span<float> scores, std::span<const std::int32_t> sequence,
                         std::size_t size) {
  if (sequence.size() < size) return;
  const auto started = sequence.last(size - 1);  // the n-gram that the next token would complete
  for (std::size_t i = 0; i + size <= sequence.size(); ++i) {
    const auto earlier = sequence.subspan(i, size);
    if (std::equal(started.begin(), started.end(), earlier.begin())) {
      ban_tokens(scores, earlier.last(1));
    }
  }
}

void ban_tokens(std::span<float> scores, std::span<const std::int32_t> tokens) {
  for (const std::int32_t id : tokens) {
    if (in_vocabulary(id, scores)) scores[static_cast<std::size_t>(id)] = kBanned;
  }
}

void ban_runs(std::span<float> scores, std::span<const std::int32_t> sequence,
              std::span<const std::vector<std::int32_t>> banned, std::size_t longest) {
  for (const std::span<const std::int32_t> run : banned) {
    const auto before = run.first(run.size() - 1);
    if (before.size() > sequence.size() || run.size() > std::max<std::size_t>(1, longest)) continue;
    if (std::ranges::equal(before, sequence.last(before.size()))) ban_tokens(scores, run.last(1));
  }
}

LogitsProcessors::LogitsProcessors(const GenerationConfig& options,
                                   std::span<const std::int32_t> stop_ids,
                                   std::size_t prompt_length, bool bad_words_from_first_id)
    : repetition_penalty_(static_cast<float>(*options.repetition_penalty)),
      ngram_size_(static_cast<std::size_t>(*options.no_repeat_ngram_size)),
      bad_words_(without_ends(*options.bad_words_ids, stop_ids)),
      bad_words_from_first_id_(bad_words_from_first_id),
      suppressed_(*options.suppress_tokens),
      suppressed_first_(*options.begin_suppress_tokens),
      prompt_length_(prompt_length),
      min_length_(prompt_length + static_cast<std::size_t>(*options.min_new_tokens)),
      stop_ids_(stop_ids) {}

void LogitsProcessors::apply(std::span<float> scores, std::span<const std::int32_t> sequence) {
  if (repetition_penalty_ != 1.0f) {
    penalize_repetition(scores, sequence, repetition_penalty_, seen_);
  }
  if (ngram_size_ > 0) ban_repeated_ngrams(scores, sequence, ngram_size_);
  ban_runs(scores, sequence, bad_words_, sequence.size() + (bad_words_from_first_id_ ? 1 : 0));
  if (sequence.size() < min_length_) ban_tokens(scores, stop_ids_);
  ban_tokens(scores, suppressed_);
  if (sequence.size() == prompt_length_) ban_tokens(scores, suppressed_first_);
}

}  // namespace instructblip
