// The regular expressions that tokenizers in use contain, as a tree.
#pragma once

#include <cstddef>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace instructblip {

struct RegexNode {
  enum class Kind {
    code,       // one character that passes `test`
    ahead,      // nothing, where a character that passes `test` comes next
    not_ahead,  // nothing, where none does, the end of the text included
    sequence,   // `parts` one after the other
    choice,     // the first of `parts` with which the whole matches
    repeat,     // the only part, `least` to `most` times, as often as the whole allows
  };
  static constexpr std::size_t kUnbounded = std::numeric_limits<std::size_t>::max();

  Kind kind;
  std::function<bool(char32_t)> test = {};
  std::vector<RegexNode> parts = {};
  std::size_t least = 1, most = 1;

  bool may_be_empty() const;
};

// Characters, escapes (\s \S \w \n \r \t \p{L} \p{N} \P{..} and signs), brackets, groups ((..),
// (?:..),
// (?i:..) of ASCII), choices, greedy quantifiers, and (?=x) or (?!x) of one character, with the
// meaning that Oniguruma gives them. Throws Error(unsupported), headed by `where`, for any other
// expression, and for those that match an empty text.
RegexNode read_regex(std::string_view expression, const std::string& where);

}  // namespace instructblip
