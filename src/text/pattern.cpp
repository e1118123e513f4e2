#include "text/pattern.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "core/errors.h"
#include "core/utf8.h"
#include "text/unicode.h"

namespace instructblip {
namespace {

// Joins each span with the one before it where `joins(is match, previous is match)` says so.
template <typename Joins>
std::vector<Span> fold(const std::vector<Span>& spans, const Joins& joins) {
  std::vector<Span> folded;
  bool previous = false;
  for (const Span& span : spans) {
    if (joins(span.matched, previous) && !folded.empty()) {
      folded.back().first = std::min(folded.back().first, span.first);
      folded.back().last = std::max(folded.back().last, span.last);
    } else {
      folded.push_back({span.first, span.last, false});
    }
    previous = span.matched;
  }
  return folded;
}

}  // namespace

std::vector<Span> split_spans(std::vector<Span> spans, SplitBehavior behavior) {
  const auto starts_run = [](bool match, bool previous) { return match && !previous; };
  switch (behavior) {
    case SplitBehavior::removed:
      std::erase_if(spans, [](const Span& span) { return span.matched; });
      return spans;
    case SplitBehavior::isolated:
      return fold(spans, [](bool, bool) { return false; });
    case SplitBehavior::contiguous:
      return fold(spans, [](bool match, bool previous) { return match == previous; });
    case SplitBehavior::merged_with_previous:
      return fold(spans, starts_run);
    case SplitBehavior::merged_with_next:
      std::ranges::reverse(spans);
      spans = fold(spans, starts_run);
      std::ranges::reverse(spans);
      return spans;
  }
  return spans;
}

std::vector<Span> find_codes(std::u32string_view text, const std::function<bool(char32_t)>& test) {
  std::vector<Span> spans;
  std::size_t unmatched = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!test(text[i])) continue;
    if (unmatched < i) spans.push_back({unmatched, i, false});
    spans.push_back({i, i + 1, true});
    unmatched = i + 1;
  }
  if (unmatched < text.size()) spans.push_back({unmatched, text.size(), false});
  return spans;
}

// Reads the subset of regular expressions that Pattern::regex() names.
class RegexReader {
 public:
  RegexReader(std::string_view expression, std::string where)
      : expression_(expression), codes_(utf8::to_utf32(expression)), where_(std::move(where)) {}

  Pattern read() {
    Pattern pattern;
    while (at_ < codes_.size()) {
      pattern.atoms_.push_back(atom());
      if (const auto bounds = quantifier()) {
        // Several quantified parts would need backtracking.
        if (pattern.atoms_.size() != 1 || at_ != codes_.size() || bounds->first == 0) refuse();
        pattern.least_ = bounds->first;
        pattern.most_ = bounds->second;
      }
    }
    if (pattern.atoms_.empty()) refuse();
    return pattern;
  }

 private:
  static constexpr std::size_t kUnbounded = std::numeric_limits<std::size_t>::max();

  [[noreturn]] void refuse() const {
    throw Error(ErrorCode::unsupported,
                where_ + ": expected a plain text or one repeated character, got the expression " +
                    quote(expression_));
  }

  char32_t next() {
    if (at_ >= codes_.size()) refuse();
    return codes_[at_++];
  }
  bool accept(char32_t code) {
    if (at_ >= codes_.size() || codes_[at_] != code) return false;
    ++at_;
    return true;
  }

  static Pattern::Atom exactly(char32_t code) {
    return [code](char32_t other) { return other == code; };
  }

  Pattern::Atom escape() {
    const char32_t code = next();
    switch (code) {
      case U's':
        return unicode::is_white_space;
      case U'S':
        return [](char32_t other) { return !unicode::is_white_space(other); };
      case U'n':
        return exactly(U'\n');
      case U't':
        return exactly(U'\t');
      case U'r':
        return exactly(U'\r');
      default:
        if (code >= 0x80 || !unicode::is_punctuation(code)) refuse();
        return exactly(code);
    }
  }

  Pattern::Atom bracket() {
    const bool negated = accept(U'^');
    std::vector<Pattern::Atom> members;
    while (!accept(U']')) {
      const char32_t code = next();
      if (code == U'[' || code == U'&') refuse();
      if (code == U'\\') {
        members.push_back(escape());
      } else if (at_ + 1 < codes_.size() && codes_[at_] == U'-' && codes_[at_ + 1] != U']') {
        ++at_;
        const char32_t last = next();
        if (last == U'\\' || last < code) refuse();
        members.push_back([code, last](char32_t other) { return other >= code && other <= last; });
      } else {
        members.push_back(exactly(code));
      }
    }
    if (members.empty()) refuse();
    return [members, negated](char32_t other) {
      return std::ranges::any_of(members, [other](const auto& m) { return m(other); }) != negated;
    };
  }

  Pattern::Atom atom() {
    const char32_t code = next();
    if (code == U'\\') return escape();
    if (code == U'[') return bracket();
    if (std::u32string_view(U".^$|()*+?{}]").find(code) != std::u32string_view::npos) refuse();
    return exactly(code);
  }

  std::size_t number() {
    std::size_t value = 0;
    const std::size_t begin = at_;
    while (at_ < codes_.size() && codes_[at_] >= U'0' && codes_[at_] <= U'9') {
      value = value * 10 + (codes_[at_++] - U'0');
      if (value > 1000) refuse();
    }
    if (at_ == begin) refuse();
    return value;
  }

  std::optional<std::pair<std::size_t, std::size_t>> quantifier() {
    std::pair<std::size_t, std::size_t> bounds;
    if (accept(U'+')) {
      bounds = {1, kUnbounded};
    } else if (accept(U'*')) {
      bounds = {0, kUnbounded};
    } else if (accept(U'?')) {
      bounds = {0, 1};
    } else if (accept(U'{')) {
      bounds.first = bounds.second = number();
      if (accept(U',')) {
        bounds.second = at_ < codes_.size() && codes_[at_] == U'}' ? kUnbounded : number();
      }
      if (!accept(U'}') || bounds.second < bounds.first) refuse();
    } else {
      return std::nullopt;
    }
    return bounds;
  }

  std::string_view expression_;
  std::u32string codes_;
  std::string where_;
  std::size_t at_ = 0;
};

Pattern Pattern::literal(std::u32string text) {
  Pattern pattern;
  for (const char32_t code : text) {
    pattern.atoms_.push_back([code](char32_t other) { return other == code; });
  }
  return pattern;
}

Pattern Pattern::regex(std::string_view expression, const std::string& where) {
  return RegexReader(expression, where).read();
}

// The end of the match that starts at `begin`, or `begin` where there is none.
std::size_t Pattern::match(std::u32string_view text, std::size_t begin) const {
  if (atoms_.size() > 1) {
    if (text.size() - begin < atoms_.size()) return begin;
    for (std::size_t i = 0; i < atoms_.size(); ++i) {
      if (!atoms_[i](text[begin + i])) return begin;
    }
    return begin + atoms_.size();
  }
  std::size_t end = begin;
  while (end < text.size() && end - begin < most_ && atoms_.front()(text[end])) ++end;
  return end - begin >= least_ ? end : begin;
}

std::vector<Span> Pattern::find(std::u32string_view text) const {
  std::vector<Span> spans;
  std::size_t unmatched = 0;
  for (std::size_t i = 0; i < text.size() && !atoms_.empty();) {
    const std::size_t end = match(text, i);
    if (end == i) {
      ++i;
      continue;
    }
    if (unmatched < i) spans.push_back({unmatched, i, false});
    spans.push_back({i, end, true});
    unmatched = i = end;
  }
  if (unmatched < text.size()) spans.push_back({unmatched, text.size(), false});
  return spans;
}

}  // namespace instructblip
