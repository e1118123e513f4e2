#include "text/regex.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "core/errors.h"
#include "core/utf8.h"
#include "text/unicode.h"

namespace instructblip {
namespace {

using CodeTest = std::function<bool(char32_t)>;
using Kind = RegexNode::Kind;

CodeTest exactly(char32_t code) {
  return [code](char32_t other) { return other == code; };
}

CodeTest unless(bool negated, CodeTest test) {
  if (!negated) return test;
  return [test = std::move(test)](char32_t other) { return !test(other); };
}

constexpr bool is_ascii_letter(char32_t code) {
  return (code >= U'a' && code <= U'z') || (code >= U'A' && code <= U'Z');
}

// Two other characters fold to letters of ASCII: the long s and the sign of Kelvin.
CodeTest in_either_case(char32_t code) {
  const char32_t lower = code | 0x20;
  return [lower](char32_t other) {
    if (other < 0x80) return is_ascii_letter(other) && (other | 0x20) == lower;
    return (lower == U's' && other == 0x17F) || (lower == U'k' && other == 0x212A);
  };
}

// Letters that one character folds to, as U+00DF to "ss": without regard to case that matches both.
bool folds_from_one(char32_t first, char32_t second) {
  constexpr std::array<std::u32string_view, 5> kPairs = {U"ss", U"st", U"ff", U"fi", U"fl"};
  const std::u32string pair = {first | 0x20, second | 0x20};
  return std::ranges::find(kPairs, pair) != kPairs.end();
}

class RegexReader {
 public:
  RegexReader(std::string_view expression, std::string where)
      : expression_(expression), codes_(utf8::to_utf32(expression)), where_(std::move(where)) {}

  RegexNode read() {
    RegexNode whole = choice();
    if (at_ != codes_.size() || whole.may_be_empty()) refuse();
    return whole;
  }

 private:
  static constexpr std::size_t kMostRepeats = 1000, kDeepest = 50;

  [[noreturn]] void refuse() const {
    throw Error(ErrorCode::unsupported, where_ + ": the expression " + quote(expression_) +
                                            " is not known here from its character " +
                                            std::to_string(at_) + " on");
  }

  bool at_end() const { return at_ >= codes_.size(); }
  bool sees(char32_t code, std::size_t offset = 0) const {
    return at_ + offset < codes_.size() && codes_[at_ + offset] == code;
  }
  char32_t next() {
    if (at_end()) refuse();
    return codes_[at_++];
  }
  bool accept(char32_t code) {
    if (!sees(code)) return false;
    ++at_;
    return true;
  }
  bool accept_all(std::u32string_view text) {
    if (!std::u32string_view(codes_).substr(at_).starts_with(text)) return false;
    at_ += text.size();
    return true;
  }

  RegexNode choice() {
    if (++depth_ > kDeepest) refuse();
    std::vector<RegexNode> parts = {sequence()};
    while (accept(U'|')) parts.push_back(sequence());
    --depth_;
    if (parts.size() == 1) return std::move(parts.front());
    return {.kind = Kind::choice, .parts = std::move(parts)};
  }

  RegexNode sequence() {
    RegexNode whole{.kind = Kind::sequence};
    char32_t before = 0;
    while (!at_end() && !sees(U'|') && !sees(U')')) {
      const char32_t first = codes_[at_];
      if (any_case_ && is_ascii_letter(before) && is_ascii_letter(first) &&
          folds_from_one(before, first)) {
        refuse();
      }
      before = first;
      whole.parts.push_back(quantified(item()));
    }
    return whole;
  }

  RegexNode item() {
    if (!accept(U'(')) return {.kind = Kind::code, .test = one_code()};
    if (accept_all(U"?=")) return lookaround(Kind::ahead);
    if (accept_all(U"?!")) return lookaround(Kind::not_ahead);
    const bool outer = any_case_;
    if (accept_all(U"?i:")) {
      any_case_ = true;
    } else if (!accept_all(U"?:") && sees(U'?')) {
      refuse();
    }
    RegexNode inner = choice();
    if (!accept(U')')) refuse();
    any_case_ = outer;
    return inner;
  }

  RegexNode lookaround(Kind kind) {
    RegexNode node{.kind = kind, .test = one_code()};
    if (!accept(U')')) refuse();
    return node;
  }

  CodeTest one_code() {
    const char32_t code = next();
    if (code == U'\\') return escape();
    if (code == U'[') return bracket();
    if (std::u32string_view(U".^$|()*+?{}]").find(code) != std::u32string_view::npos) refuse();
    return literal(code);
  }

  CodeTest literal(char32_t code) const {
    if (!any_case_) return exactly(code);
    if (code >= 0x80) refuse();
    return is_ascii_letter(code) ? in_either_case(code) : exactly(code);
  }

  CodeTest escape() {
    const char32_t code = next();
    switch (code) {
      case U's':
      case U'S':
        return unless(code == U'S', unicode::is_white_space);
      case U'w':
        return unicode::is_word;
      case U'n':
        return exactly(U'\n');
      case U't':
        return exactly(U'\t');
      case U'r':
        return exactly(U'\r');
      case U'p':
      case U'P':
        if (accept_all(U"{L}")) return unless(code == U'P', unicode::is_letter);
        if (accept_all(U"{N}")) return unless(code == U'P', unicode::is_number);
        refuse();
      default:
        if (code >= 0x80 || !unicode::is_punctuation(code)) refuse();
        return exactly(code);
    }
  }

  CodeTest bracket() {
    const bool negated = accept(U'^');
    std::vector<CodeTest> members;
    while (!accept(U']')) {
      const char32_t code = next();
      if (code == U'[' || code == U'&') refuse();
      if (code == U'\\') {
        members.push_back(escape());
      } else if (sees(U'-') && !sees(U']', 1)) {
        ++at_;
        const char32_t last = next();
        if (last == U'\\' || last < code || any_case_) refuse();
        members.push_back([code, last](char32_t other) { return other >= code && other <= last; });
      } else {
        members.push_back(literal(code));
      }
    }
    if (members.empty()) refuse();
    return unless(negated, [members](char32_t other) {
      return std::ranges::any_of(members, [other](const auto& test) { return test(other); });
    });
  }

  std::size_t number() {
    std::size_t value = 0;
    const std::size_t begin = at_;
    while (!at_end() && codes_[at_] >= U'0' && codes_[at_] <= U'9') {
      value = value * 10 + (codes_[at_++] - U'0');
      if (value > kMostRepeats) refuse();
    }
    if (at_ == begin) refuse();
    return value;
  }

  RegexNode quantified(RegexNode node) {
    std::size_t least = 0, most = RegexNode::kUnbounded;
    if (accept(U'+')) {
      least = 1;
    } else if (accept(U'?')) {
      most = 1;
    } else if (accept(U'{')) {
      least = most = number();
      if (accept(U',')) most = sees(U'}') ? RegexNode::kUnbounded : number();
      if (!accept(U'}') || most < least || most == 0) refuse();
    } else if (!accept(U'*')) {
      return node;
    }
    // Lazy, possessive and doubled quantifiers, and rounds that may be empty.
    if (sees(U'+') || sees(U'?') || sees(U'*') || sees(U'{') || node.may_be_empty()) refuse();
    RegexNode repeat{.kind = Kind::repeat, .least = least, .most = most};
    repeat.parts.push_back(std::move(node));
    return repeat;
  }

  std::string_view expression_;
  std::u32string codes_;
  std::string where_;
  std::size_t at_ = 0, depth_ = 0;
  bool any_case_ = false;
};

}  // namespace

bool RegexNode::may_be_empty() const {
  const auto empty = [](const RegexNode& part) { return part.may_be_empty(); };
  switch (kind) {
    case Kind::code:
      return false;
    case Kind::ahead:
    case Kind::not_ahead:
      return true;
    case Kind::sequence:
      return std::ranges::all_of(parts, empty);
    case Kind::choice:
      return std::ranges::any_of(parts, empty);
    case Kind::repeat:
      return least == 0 || parts.front().may_be_empty();
  }
  return true;
}

RegexNode read_regex(std::string_view expression, const std::string& where) {
  return RegexReader(expression, where).read();
}

}  // namespace instructblip
