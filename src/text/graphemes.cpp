#include "text/graphemes.h"

#include "text/unicode.h"

namespace instructblip {
namespace {

using Category = unicode::GraphemeCategory;

bool is_control(Category c) {
  return c == Category::control || c == Category::cr || c == Category::lf;
}

bool joins_hangul(Category before, Category after) {
  switch (before) {
    case Category::hangul_l:
      return after == Category::hangul_l || after == Category::hangul_v ||
             after == Category::hangul_lv || after == Category::hangul_lvt;
    case Category::hangul_lv:
    case Category::hangul_v:
      return after == Category::hangul_v || after == Category::hangul_t;
    case Category::hangul_lvt:
    case Category::hangul_t:
      return after == Category::hangul_t;
    default:
      return false;
  }
}

// What the rules that look further back than one code need to know of the cluster so far.
struct History {
  int regional_indicators = 0;         // in a row, up to here
  bool after_pictographic = false;     // a pictograph and Extend*
  bool joiner_after_picture = false;   // the same and a zero width joiner
  bool after_indic_consonant = false;  // a consonant and any linkers and Extend
  bool indic_linker = false;           // with at least one linker among these

  void add(char32_t code, Category c) {
    regional_indicators = c == Category::regional_indicator ? regional_indicators + 1 : 0;
    joiner_after_picture = c == Category::zero_width_joiner && after_pictographic;
    after_pictographic =
        c == Category::pictographic || (c == Category::extend && after_pictographic);
    if (unicode::is_indic_linker(code)) {
      indic_linker = after_indic_consonant;
    } else if (!unicode::is_indic_extend(code)) {
      after_indic_consonant = c == Category::indic_consonant;
      indic_linker = false;
    }
  }
};

bool is_break(Category before, Category after, const History& history) {
  if (before == Category::cr && after == Category::lf) return false;
  if (is_control(before) || is_control(after)) return true;
  if (joins_hangul(before, after)) return false;
  if (after == Category::extend || after == Category::zero_width_joiner ||
      after == Category::spacing_mark || before == Category::prepend) {
    return false;
  }
  if (after == Category::indic_consonant) return !history.indic_linker;
  if (before == Category::zero_width_joiner && after == Category::pictographic) {
    return !history.joiner_after_picture;
  }
  if (before == Category::regional_indicator && after == Category::regional_indicator) {
    return history.regional_indicators % 2 == 0;
  }
  return true;
}

}  // namespace

std::size_t grapheme_end(std::u32string_view text, std::size_t begin) {
  if (begin >= text.size()) return begin;
  History history;
  Category before = unicode::grapheme_category(text[begin]);
  history.add(text[begin], before);
  std::size_t end = begin + 1;
  for (; end < text.size(); ++end) {
    const Category after = unicode::grapheme_category(text[end]);
    if (is_break(before, after, history)) break;
    history.add(text[end], after);
    before = after;
  }
  return end;
}

}  // namespace instructblip
