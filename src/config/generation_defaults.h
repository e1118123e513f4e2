// What a checkpoint says about generation.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace instructblip {

// Whose beam search: they differ in how lengths are counted and in when a search ends.
enum class BeamScorer {
  transformers_4_57,
  transformers_4_33,  // what LAVIS stands on
};

// A setting of a model's file that cannot be followed: of a value that the reference would refuse,
// or of a kind that nothing here implements. It counts where generation takes the way that reads
// it; elsewhere the reference does not look at it either.
struct UnfitSetting {
  enum class When {
    always,
    draws,        // do_sample
    beams,        // num_beams above 1
    single_beam,  // num_beams 1
    contrasts,    // greedy, with a top_k above 1
  };
  std::string key;
  std::string message;  // "config.json: text_config.epsilon_cutoff: ..."
  When when = When::always;
  std::string hint;
};

// The generation keys that text_config or generation_config.json may carry: each one that is
// present changes a default of GenerationConfig, as it does in the reference. Stop ids: an empty
// list means "never".
struct TextGenerationDefaults {
  std::vector<std::int32_t> eos;  // an integer or a list in the file; negative ids left out
  std::optional<std::int32_t> bos;
  std::optional<std::int32_t> pad;  // none for null and for negative ids
  std::optional<std::int64_t> max_new_tokens, min_new_tokens, max_length, min_length;
  std::optional<std::int64_t> num_beams, num_return_sequences, top_k, no_repeat_ngram_size;
  std::optional<double> temperature, top_p, min_p, typical_p, repetition_penalty, length_penalty;
  std::optional<bool> do_sample;
  std::optional<std::string> early_stopping;  // "false", "true", "never"
  std::optional<std::vector<std::vector<std::int32_t>>> bad_words_ids;
  std::optional<std::vector<std::int32_t>> suppress_tokens, begin_suppress_tokens;  // with a row
  std::optional<std::int32_t> forced_bos;  // counted from the front; one without a row stays so
  std::optional<std::vector<std::int32_t>> forced_eos;
  std::optional<bool> remove_invalid_values, renormalize_logits;
  std::optional<double> max_time;                   // seconds
  std::vector<UnfitSetting> unfit;                  // whatever their way of generating
  std::string source = "config.json: text_config";  // for messages

  BeamScorer beam_scorer = BeamScorer::transformers_4_57;
  // Set: a decoder-only model was handed embeddings, and this id alone stands before the new ones,
  // for the repetition penalty and n-grams. Else the whole prompt does.
  std::optional<std::int32_t> stands_for_prompt;
  // Transformers 5: all but the last id of a run of bad_words_ids may be the whole sequence.
  // Before, a run longer than the sequence was not looked at.
  bool bad_words_from_first_id = false;
  bool ranks_with_end = true;  // the end token is a part of a candidate answer
};

// Throws Error(unsupported) for what no way of generating can follow.
void refuse_unfit(const TextGenerationDefaults& defaults);

}  // namespace instructblip
