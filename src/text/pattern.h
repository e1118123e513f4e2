// What normalizers and pre-tokenizers search for: a string, or the few regular expressions that
// tokenizers in use contain.
#pragma once

#include <cstddef>
#include <functional>
#include <limits>
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

// A search that takes time linear in the text.
class Pattern {
 public:
  static Pattern literal(std::u32string text);
  // One character, escape or bracket expression with a quantifier, or several without: " {2,}",
  // "\s+",
  // "[ab]", "--". Throws Error(unsupported), headed by `where`, for any other expression.
  static Pattern regex(std::string_view expression, const std::string& where);

  std::vector<Span> find(std::u32string_view text) const;

 private:
  using Atom = std::function<bool(char32_t)>;
  friend class RegexReader;

  std::size_t match(std::u32string_view text, std::size_t begin) const;

  std::vector<Atom> atoms_;
  // How often the only atom may stand in a row; more than one atom stand once each.
  std::size_t least_ = 1, most_ = 1;
};

// Every code for which `test` holds is a match of its own.
std::vector<Span> find_codes(std::u32string_view text, const std::function<bool(char32_t)>& test);

}  // namespace instructblip
