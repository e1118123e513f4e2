#include "text/jinja/lexer.h"

#include <algorithm>
#include <array>
#include <optional>

#include "core/utf8.h"
#include "instructblip/error.h"
#include "text/unicode.h"

namespace instructblip::jinja {
namespace {

// Newlines of every kind become "\n"; one at the end goes.
std::string normalized(std::string_view source) {
  std::string text;
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r' && i + 1 < source.size() && source[i + 1] == '\n') continue;
    text += source[i] == '\r' ? '\n' : source[i];
  }
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool begins_name(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

std::optional<unsigned> hex_value(std::string_view digits) {
  unsigned value = 0;
  for (const char c : digits) {
    const bool letter = (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    if (!is_digit(c) && !letter) return std::nullopt;
    value = value * 16 + static_cast<unsigned>(is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
  }
  return value;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(normalized(source)), rest_(source_) {}

  std::vector<Token> run() {
    while (!rest_.empty()) text_and_tag();
    add(Token::Kind::end, "");
    return std::move(tokens_);
  }

 private:
  void add(Token::Kind kind, std::string text) {
    tokens_.push_back({kind, std::move(text), line_});
  }

  std::string_view take(std::size_t count) {
    const std::string_view taken = rest_.substr(0, count);
    line_ += static_cast<int>(std::ranges::count(taken, '\n'));
    if (!taken.empty()) at_line_start_ = taken.back() == '\n';
    rest_.remove_prefix(count);
    return taken;
  }

  std::size_t leading_space() const {
    std::size_t count = 0;
    while (count < rest_.size()) {
      const auto decoded = utf8::decode(rest_.substr(count));
      if (!unicode::is_python_space(decoded.code_point)) break;
      count += decoded.length;
    }
    return count;
  }

  // The text before a tag, without the white space that the tag takes away.
  void data(std::string_view text, char sign, bool is_print) {
    std::size_t kept = text.size();
    if (sign == '-') {
      kept = unicode::right_stripped_length(text);
    } else if (sign != '+' && !is_print) {
      const std::size_t newline = text.rfind('\n');
      const std::size_t begin = newline == std::string_view::npos ? 0 : newline + 1;
      const bool blank = text.find_first_not_of(" \t", begin) == std::string_view::npos;
      if (blank && (begin > 0 || at_line_start_)) kept = begin;
    }
    if (kept > 0) add(Token::Kind::data, std::string(text.substr(0, kept)));
  }

  void text_and_tag() {
    std::size_t open = rest_.find('{');
    while (open != std::string_view::npos &&
           (open + 1 == rest_.size() ||
            std::string_view("%{#").find(rest_[open + 1]) == std::string_view::npos)) {
      open = rest_.find('{', open + 1);
    }
    if (open == std::string_view::npos) {
      add(Token::Kind::data, std::string(take(rest_.size())));
      return;
    }
    const char kind = rest_[open + 1];
    const char sign = open + 2 < rest_.size() ? rest_[open + 2] : '\0';
    const bool signed_tag = sign == '-' || sign == '+';
    data(rest_.substr(0, open), sign, kind == '{');
    take(open + (signed_tag ? 3 : 2));
    if (kind == '#') return comment();
    if (kind == '%' && raw()) return;
    add(kind == '%' ? Token::Kind::block : Token::Kind::print, "");
    expression(kind == '%');
  }

  // What ends a tag: "%}" and a newline, "-%}" and all white space, "+%}"; "}}", "-}}" and white
  // space.
  bool tag_end(std::string_view close) {
    const bool trims = rest_.starts_with('-') && rest_.substr(1).starts_with(close);
    const bool keeps =
        close != "}}" && rest_.starts_with('+') && rest_.substr(1).starts_with(close);
    if (!trims && !keeps && !rest_.starts_with(close)) return false;
    take(close.size() + (trims || keeps ? 1 : 0));
    if (trims) {
      take(leading_space());
    } else if (!keeps && close != "}}" && rest_.starts_with('\n')) {
      take(1);
    }
    return true;
  }

  void comment() {
    const int line = line_;
    while (!tag_end("#}")) {
      if (rest_.empty()) refuse(line, "a comment without an end");
      take(1);
    }
  }

  // {% raw %} ... {% endraw %}, whose beginning keeps the newline behind it.
  bool raw() {
    std::string_view ahead = rest_;
    const auto skip = [&] {
      ahead.remove_prefix(std::min(ahead.find_first_not_of(" \t\n"), ahead.size()));
    };
    skip();
    if (!ahead.starts_with("raw")) return false;
    ahead.remove_prefix(3);
    skip();
    const bool trims = ahead.starts_with("-%}");
    if (!trims && !ahead.starts_with("%}")) return false;
    const int line = line_;
    take(rest_.size() - ahead.size() + (trims ? 3 : 2));
    if (trims) take(leading_space());
    std::size_t open = rest_.find("{%");
    for (; open != std::string_view::npos; open = rest_.find("{%", open + 2)) {
      ahead = rest_.substr(open + 2);
      const char sign = ahead.empty() ? '\0' : ahead.front();
      if (sign == '-' || sign == '+') ahead.remove_prefix(1);
      skip();
      if (!ahead.starts_with("endraw")) continue;
      ahead.remove_prefix(6);
      skip();
      const std::size_t length = rest_.size() - ahead.size();
      data(rest_.substr(0, open), sign, /*is_print=*/false);
      take(length);
      if (!tag_end("%}")) refuse(line_, "'endraw' with something behind it");
      return true;
    }
    refuse(line, "'raw' without 'endraw'");
  }

  void expression(bool is_block) {
    const std::string_view close = is_block ? "%}" : "}}";
    const int line = line_;
    int depth = 0;
    while (true) {
      take(leading_space());
      if (rest_.empty()) refuse(line, "a tag without an end");
      if (depth == 0 && tag_end(close)) break;
      depth = std::max(0, depth + token());
    }
    add(is_block ? Token::Kind::block_end : Token::Kind::print_end, "");
  }

  // Adds one token; how much deeper in brackets it leads.
  int token() {
    const char c = rest_.front();
    if (begins_name(c)) {
      std::size_t length = 1;
      while (length < rest_.size() && (begins_name(rest_[length]) || is_digit(rest_[length]))) {
        ++length;
      }
      add(Token::Kind::name, std::string(take(length)));
      return 0;
    }
    if (is_digit(c)) return number();
    if (c == '\'' || c == '"') return string();
    constexpr std::array<std::string_view, 6> kPairs = {"//", "**", "==", "!=", "<=", ">="};
    for (const std::string_view pair : kPairs) {
      if (!rest_.starts_with(pair)) continue;
      add(Token::Kind::sign, std::string(take(2)));
      return 0;
    }
    if (std::string_view("+-*/%~<>=.:|,()[]{}").find(c) == std::string_view::npos) {
      refuse(line_, "the character " + std::string(1, c) + " in a tag");
    }
    add(Token::Kind::sign, std::string(take(1)));
    if (c == '(' || c == '[' || c == '{') return 1;
    return c == ')' || c == ']' || c == '}' ? -1 : 0;
  }

  // 0x1F, 0o17 or 0b11: the length of such a number, or 0.
  std::size_t based_number() const {
    if (rest_.size() < 3 || rest_[0] != '0') return 0;
    constexpr std::string_view kBases = "xob";
    constexpr std::array<std::string_view, 3> kDigits = {"0123456789abcdefABCDEF_", "01234567_",
                                                         "01_"};
    const std::size_t base = kBases.find(static_cast<char>(rest_[1] | 0x20));
    if (base == std::string_view::npos) return 0;
    const std::size_t end = rest_.find_first_not_of(kDigits.at(base), 2);
    return std::min(end, rest_.size()) > 2 ? std::min(end, rest_.size()) : 0;
  }

  int number() {
    std::size_t length = based_number();
    const auto digits = [&] {
      while (length < rest_.size() &&
             (is_digit(rest_[length]) ||
              (rest_[length] == '_' && length + 1 < rest_.size() && is_digit(rest_[length + 1])))) {
        ++length;
      }
    };
    if (length > 0) {
      add(Token::Kind::integer, std::string(take(length)));
      return 0;
    }
    digits();
    bool whole = true;
    if (length + 1 < rest_.size() && rest_[length] == '.' && is_digit(rest_[length + 1])) {
      whole = false;
      ++length;
      digits();
    }
    if (length + 1 < rest_.size() && (rest_[length] | 0x20) == 'e') {
      const std::size_t sign = rest_[length + 1] == '+' || rest_[length + 1] == '-' ? 2 : 1;
      if (length + sign < rest_.size() && is_digit(rest_[length + sign])) {
        whole = false;
        length += sign;
        digits();
      }
    }
    if (length < rest_.size() && begins_name(rest_[length])) {
      refuse(line_, "a number with letters or underscores in it");
    }
    add(whole ? Token::Kind::integer : Token::Kind::real, std::string(take(length)));
    return 0;
  }

  int string() {
    const int line = line_;
    const char quote = take(1).front();
    std::string text;
    while (true) {
      if (rest_.empty()) refuse(line, "a string without an end");
      const char c = take(1).front();
      if (c == quote) break;
      if (c == '\\') {
        escape(text);
      } else {
        text += c;
      }
    }
    add(Token::Kind::string, std::move(text));
    return 0;
  }

  // As Python reads it: an unknown one stays, with its backslash.
  void escape(std::string& out) {
    if (rest_.empty()) refuse(line_, "a string without an end");
    const char c = take(1).front();
    constexpr std::string_view kLetters = "abfnrtv\\'\"";
    constexpr std::string_view kValues = "\a\b\f\n\r\t\v\\'\"";
    if (const std::size_t at = kLetters.find(c); at != std::string_view::npos) {
      out += kValues[at];
    } else if (c == 'x' || c == 'u' || c == 'U') {
      const std::size_t count = c == 'x' ? 2 : c == 'u' ? 4 : 8;
      const auto value = rest_.size() < count ? std::nullopt : hex_value(rest_.substr(0, count));
      if (!value || *value > 0x10FFFF || (*value >= 0xD800 && *value < 0xE000)) {
        refuse(line_, std::string("the escape \\") + c + " without a character of its own");
      }
      take(count);
      utf8::append(out, *value);
    } else if (c >= '0' && c <= '7') {
      unsigned value = static_cast<unsigned>(c - '0');
      for (int i = 0; i < 2 && !rest_.empty() && rest_.front() >= '0' && rest_.front() <= '7';
           ++i) {
        value = value * 8 + static_cast<unsigned>(take(1).front() - '0');
      }
      utf8::append(out, value);
    } else if (c == 'N') {
      refuse(line_, std::string("the escape \\") + c);
    } else if (c != '\n') {
      out += '\\';
      out += c;
    }
  }

  std::string source_;
  std::string_view rest_;
  std::vector<Token> tokens_;
  int line_ = 1;
  bool at_line_start_ = true;  // what was taken last ended with a newline
};

}  // namespace

std::vector<Token> tokens_of(std::string_view source) { return Lexer(source).run(); }

void refuse(int line, const std::string& what) {
  throw Error(ErrorCode::unsupported, "line " + std::to_string(line) + ": " + what);
}

}  // namespace instructblip::jinja
