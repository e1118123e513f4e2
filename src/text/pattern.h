// What normalizers and pre-tokenizers search for: a string, or a regular expression.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace instructblip {

// A part of a text, in code points; the spans of one search cover it without gaps.
struct Span {
  std::size_t first, last;  // last is one past the end
  bool matched;
};

// What becomes of the separators when a text is split at them.
enum class SplitBehavior { removed, isolated, merged_with_previous, merged_with_next, contiguous };

// The parts that remain, as Span with `matched` false.
std::vector<Span> split_spans(std::vector<Span> spans, SplitBehavior behavior);

// A search that takes time linear in the text. Immutable.
class Pattern {
 public:
  static Pattern literal(std::u32string_view text);
  // Searches for an expression that read_regex() knows (text/regex.h); throws as it does.
  static Pattern regex(std::string_view expression, const std::string& where);

  // Matches from left to right, of alternatives the first that leads to one.
  std::vector<Span> find(std::u32string_view text) const;

 private:
  // One step of a matcher: at a place in the text and in the program.
  struct Instruction {
    enum class Kind { code, ahead, not_ahead, fork, accept };
    Kind kind;
    std::function<bool(char32_t)> test = {};  // code, ahead, not_ahead
    std::size_t next = 0, other = 0;          // fork: tried in this order
  };
  class Compiler;
  class Search;

  std::vector<Instruction> program_;
};

// Every code for which `test` holds is a match of its own.
std::vector<Span> find_codes(std::u32string_view text, const std::function<bool(char32_t)>& test);

}  // namespace instructblip
