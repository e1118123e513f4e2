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
  std::optional<std::int64_t> tokens;  // special ones included; none: texts are read whole
  bool counts_pictures = false;        // whether the rows of a picture are among them
  bool keeps_end = false;              // whether the beginning of a longer text is cut off
};

// From tokenizer_config.json and tokenizer.json, the latter only where the reference reads it;
// either may be missing. The rules are those of transformers 4.57,
// tokenization_utils_fast.py (__init__), processing_utils.py (_merge_kwargs) and
// tokenization_utils_base.py (_get_padding_truncation_strategies) for a single text. Throws
// Error(unsupported) where texts would be padded, and Error(bad_model).
TextLength read_text_length(const std::optional<Json>& config, const std::optional<Json>& json);

// TextLength::keeps_end alone, for a tokenizer that is told a length by another one's files.
bool read_cuts_beginning(const std::optional<Json>& config, const std::optional<Json>& json);

}  // namespace instructblip
