#include "text/jinja/text_functions.h"

#include <algorithm>

#include "core/limits.h"
#include "core/utf8.h"
#include "text/jinja/lexer.h"
#include "text/unicode.h"

namespace instructblip::jinja {
namespace {

bool is_small(char32_t code) { return code >= U'a' && code <= U'z'; }
bool is_capital(char32_t code) { return code >= U'A' && code <= U'Z'; }

}  // namespace

std::string stripped(std::string_view text, bool left, bool right,
                     const std::optional<std::string>& chars) {
  const std::u32string codes = utf8::to_utf32(text);
  const std::u32string set = chars ? utf8::to_utf32(*chars) : std::u32string();
  const auto goes = [&](char32_t code) {
    return chars ? set.find(code) != std::u32string::npos : unicode::is_python_space(code);
  };
  std::size_t begin = 0;
  std::size_t end = codes.size();
  while (left && begin < end && goes(codes[begin])) ++begin;
  while (right && end > begin && goes(codes[end - 1])) --end;
  return utf8::from_utf32(std::u32string_view(codes).substr(begin, end - begin));
}

std::string in_case(std::string_view rule, const std::string& text, int line) {
  std::u32string codes = utf8::to_utf32(text);
  if (rule == "lower") return utf8::from_utf32(unicode::python_lowercase(codes));
  bool inside = false;  // within a word
  for (std::size_t i = 0; i < codes.size(); ++i) {
    char32_t& code = codes[i];
    if (code > 0x7F && unicode::is_letter(code)) {
      refuse(line, "'" + std::string(rule) + "' of letters outside of ASCII");
    }
    const bool raises = rule == "upper" || (rule == "swapcase" && is_small(code)) ||
                        (rule == "title" && !inside) || (rule == "capitalize" && i == 0);
    if (raises && is_small(code)) {
      code -= U'a' - U'A';
    } else if (!raises && is_capital(code)) {
      code += U'a' - U'A';
    }
    inside = is_small(code) || is_capital(code);
  }
  return utf8::from_utf32(codes);
}

std::vector<std::string> split_at(std::string_view text, std::string_view separator,
                                  std::int64_t most, bool from_right) {
  std::vector<std::string> parts;
  while (most < 0 || std::ssize(parts) < most) {
    const std::size_t at = from_right ? text.rfind(separator) : text.find(separator);
    if (at == std::string_view::npos) break;
    if (from_right) {
      parts.emplace_back(text.substr(at + separator.size()));
      text = text.substr(0, at);
    } else {
      parts.emplace_back(text.substr(0, at));
      text.remove_prefix(at + separator.size());
    }
  }
  parts.emplace_back(text);
  if (from_right) std::ranges::reverse(parts);
  return parts;
}

std::vector<std::string> split_at_space(std::string_view text, std::int64_t most) {
  const std::u32string codes = utf8::to_utf32(text);
  std::vector<std::string> parts;
  std::size_t begin = 0;
  const auto skip = [&](bool space) {
    std::size_t at = begin;
    while (at < codes.size() && unicode::is_python_space(codes[at]) == space) ++at;
    return at;
  };
  while ((begin = skip(/*space=*/true)) < codes.size()) {
    const bool rest = most >= 0 && std::ssize(parts) == most;
    const std::size_t end = rest ? codes.size() : skip(/*space=*/false);
    parts.push_back(utf8::from_utf32(std::u32string_view(codes).substr(begin, end - begin)));
    begin = rest ? codes.size() : end;
  }
  return parts;
}

std::vector<std::string> lines_of(std::string_view text, bool keep_ends) {
  constexpr std::u32string_view kEnds = U"\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029";
  const std::u32string codes = utf8::to_utf32(text);
  std::vector<std::string> lines;
  std::u32string line;
  for (std::size_t i = 0; i < codes.size(); ++i) {
    if (kEnds.find(codes[i]) == std::u32string_view::npos) {
      line += codes[i];
      if (i + 1 < codes.size()) continue;
    } else {
      const bool two = codes[i] == U'\r' && i + 1 < codes.size() && codes[i + 1] == U'\n';
      if (keep_ends) line += codes.substr(i, two ? 2 : 1);
      if (two) ++i;
    }
    lines.push_back(utf8::from_utf32(line));
    line.clear();
  }
  return lines;
}

std::string replaced(const std::string& text, const std::string& old, const std::string& by,
                     std::int64_t most, int line) {
  if (old.empty()) refuse(line, "'replace' of an empty text");
  std::string result;
  std::size_t begin = 0;
  for (std::int64_t i = 0; most < 0 || i < most; ++i) {
    const std::size_t at = text.find(old, begin);
    if (at == std::string::npos) break;
    result += text.substr(begin, at - begin) + by;
    if (std::ssize(result) > limits::kTemplateOutput) refuse(line, "a text that is too long");
    begin = at + old.size();
  }
  return result + text.substr(begin);
}

bool is_made_of(std::string_view rule, const std::string& text, int line) {
  const std::u32string codes = utf8::to_utf32(text);
  const auto wide = [&](char32_t code) {
    if (rule == "isspace" || rule == "isascii" || rule == "isalpha") return false;
    const bool is_case = rule == "isupper" || rule == "islower";
    return code > 0x7F &&
           (is_case ? unicode::is_letter(code) : unicode::is_numeric(code) || rule == "isnumeric");
  };
  if (rule != "isalnum" && std::ranges::any_of(codes, wide)) {
    refuse(line, "'" + std::string(rule) + "' of characters outside of ASCII");
  }
  if (rule == "isupper" || rule == "islower") {  // at least one letter, and none of the other case
    const bool upper = rule == "isupper";
    return std::ranges::any_of(codes, upper ? is_capital : is_small) &&
           std::ranges::none_of(codes, upper ? is_small : is_capital);
  }
  const auto fits = [&](char32_t code) {
    if (rule == "isspace") return unicode::is_python_space(code);
    if (rule == "isascii") return code <= 0x7F;
    const bool letter = unicode::is_letter(code);
    return rule == "isalpha"   ? letter
           : rule == "isalnum" ? letter || unicode::is_numeric(code)
                               : code >= U'0' && code <= U'9';
  };
  return (rule == "isascii" || !codes.empty()) && std::ranges::all_of(codes, fits);
}

std::string escaped_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '"':
        out += "&#34;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::int64_t count_of(std::string_view text, std::string_view part) {
  if (part.empty()) return std::ssize(utf8::to_utf32(text)) + 1;
  std::int64_t count = 0;
  for (std::size_t at = text.find(part); at != std::string_view::npos;
       at = text.find(part, at + part.size())) {
    ++count;
  }
  return count;
}

}  // namespace instructblip::jinja
