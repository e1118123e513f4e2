// GPT-2's byte-level stages: every byte of a text is written as a visible character, so that a
// vocabulary of such characters spells any text. Radford et al., 2019.
#pragma once

#include <string>
#include <string_view>

#include "text/decoders.h"
#include "text/pre_tokenizers.h"

namespace instructblip {

struct ByteLevelOptions {
  bool add_prefix_space = false;  // in front of every stretch of text that does not start with one
  bool split_words = true;        // where GPT-2's expression does
  bool operator==(const ByteLevelOptions&) const = default;
};

PreTokenizerPtr byte_level_pre_tokenizer(const ByteLevelOptions& options);

// Back to bytes, and these to text: one replacement character for each longest start of a character
// that nothing completes, as the reference and WHATWG have it.
DecodeStepMaker byte_level_step();

// The character that stands for `byte`.
char32_t byte_level_code(unsigned char byte);

}  // namespace instructblip
