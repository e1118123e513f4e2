// What the options do to the scores of the next token before one is chosen.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "instructblip/generation.h"

namespace instructblip {

// Scores are one row [vocabulary]: raw logits in greedy search and sampling, log probabilities in
// beam search. A sequence is what the reference calls input_ids: prompt ids (image placeholders
// included for a decoder-only model, the start token for T5), then new tokens. Its ids may lie
// outside the vocabulary, as a placeholder's may; such ids are passed over.

// Each distinct token of `sequence` once: negative scores times `penalty`, others divided by it.
// `seen` is scratch space, [vocabulary] zeros before and after.
void penalize_repetition(std::span<float> scores, std::span<const std::int32_t> sequence,
                         float penalty, std::vector<std::uint8_t>& seen);

// -inf for every token that would complete an n-gram which `sequence` already contains.
void ban_repeated_ngrams(std::span<float> scores, std::span<const std::int32_t> sequence,
                         std::size_t size);

// -inf for `tokens`.
void ban_tokens(std::span<float> scores, std::span<const std::int32_t> tokens);

// -inf for the last token of each run of `banned` whose other tokens `sequence` ends with. Only
// runs of one token and those up to `longest` count.
void ban_runs(std::span<float> scores, std::span<const std::int32_t> sequence,
              std::span<const std::vector<std::int32_t>> banned, std::size_t longest);

// The processors that are in force whether or not tokens are drawn, in the reference's order.
class LogitsProcessors {
 public:
  // `options` has every value filled. `stop_ids` outlives this object. Throws
  // Error(invalid_argument) where bad_words_ids holds end tokens alone, as the reference does.
  LogitsProcessors(const GenerationConfig& options, std::span<const std::int32_t> stop_ids,
                   std::size_t prompt_length, bool bad_words_from_first_id);

  void apply(std::span<float> scores, std::span<const std::int32_t> sequence);

 private:
  float repetition_penalty_;
  std::size_t ngram_size_;
  std::vector<std::vector<std::int32_t>> bad_words_;
  bool bad_words_from_first_id_;
  std::vector<std::int32_t> suppressed_, suppressed_first_;
  std::size_t prompt_length_;
  std::size_t min_length_;  // of a sequence, before which it may not stop
  std::span<const std::int32_t> stop_ids_;
  std::vector<std::uint8_t> seen_;
};

}  // namespace instructblip
