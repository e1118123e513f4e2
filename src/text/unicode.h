// What the reference's tokenizers know of Unicode. Its parts follow different versions of the
// standard, so the tables are its own answers, see generate_unicode_tables.py.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace instructblip::unicode {

bool is_white_space(char32_t code);   // also \s of a regular expression
bool is_word(char32_t code);          // \w of a regular expression
bool is_numeric(char32_t code);       // categories Nd, Nl, No
bool is_letter(char32_t code);        // \p{L} of a regular expression
bool is_number(char32_t code);        // \p{N} of a regular expression
bool is_punctuation(char32_t code);   // ASCII symbols and category P
bool is_bert_dropped(char32_t code);  // what BERT's text cleaning removes
bool is_non_spacing_mark(char32_t code);
bool is_combining_mark(char32_t code);

// What Python's str.strip() removes: white space and the four separators U+001C to U+001F.
bool is_python_space(char32_t code);
// The bytes of valid UTF-8 that Python's str.rstrip() keeps.
std::size_t right_stripped_length(std::string_view text);

void append_lowercase(char32_t code, std::u32string& out);

// Python's str.lower(): the same, and a sigma at the end of a word becomes U+03C2.
std::u32string python_lowercase(std::u32string_view text);

// Canonical decomposition, Hangul included.
void append_decomposition(char32_t code, std::u32string& out);

// Orders as the canonical combining class does; 0 for starters.
int combining_rank(char32_t code);

// In the order in which the generator numbers them.
enum class GraphemeCategory : std::uint8_t {
  any,
  cr,
  lf,
  control,
  extend,
  zero_width_joiner,
  prepend,
  spacing_mark,
  hangul_l,
  hangul_v,
  hangul_t,
  regional_indicator,
  pictographic,
  indic_consonant,
  hangul_lv,
  hangul_lvt,
};
GraphemeCategory grapheme_category(char32_t code);
bool is_indic_linker(char32_t code);
bool is_indic_extend(char32_t code);

}  // namespace instructblip::unicode
