// How long texts may become, as the files of a tokenizer have it: a tokenizer that was saved after
// it had cut or padded texts keeps that, and the reference's processors do it to every text from
// then on.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "core/json.h"

namespace instructblip {

struct TextLength {
  // Number of tokens of a text that the processor hands to every tokenizer of the model, special
  // ones and the rows of a picture included.
  std::optional<std::int64_t> tokens;
  // Whether, where there is no such number, each tokenizer cuts texts to its own length.
  bool to_own_length = false;
  // The longest text of the tokenizer's own model, pictures left aside; none: no bound.
  std::optional<std::int64_t> own_length;
  bool keeps_end = false;  // whether the beginning of a longer text is cut off
};

// From tokenizer_config.json and tokenizer.json, the latter only where the reference reads it;
// either may be missing. The rules are those of transformers 4.57,
// tokenization_utils_fast.py (__init__), processing_utils.py (_merge_kwargs) and
// tokenization_utils_base.py (_get_padding_truncation_strategies) for a single text. Throws
// Error(unsupported) where texts would be padded, and Error(bad_model).
TextLength read_text_length(const std::optional<Json>& config, const std::optional<Json>& json);

// own_length and keeps_end alone, of a tokenizer that does what another one's files say: a
// Q-Former's does what the language model's do.
TextLength read_own_length(const std::optional<Json>& config, const std::optional<Json>& json);

}  // namespace instructblip
