// Filters: Jinja's, with transformers' tojson.
#include "text/jinja/filters.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "core/limits.h"
#include "core/utf8.h"
#include "text/jinja/among.h"
#include "text/jinja/lexer.h"
#include "text/jinja/text_format.h"
#include "text/jinja/text_functions.h"
#include "text/unicode.h"

namespace instructblip::jinja {
namespace {

Value with_default(const Value& value, const Arguments& arguments) {
  const Value* also_false = arguments.find(1, "boolean");
  const bool missing =
      value.is_undefined() || (also_false && also_false->truth() && !value.truth());
  if (!missing) return value;
  const Value* fallback = arguments.find(0, "default_value");
  return fallback ? *fallback : Value::of(std::string());
}

Value indented(const Value& value, const Arguments& arguments) {
  const Value* width = arguments.find(0, "width");
  const Value* first = arguments.find(1, "first");
  const Value* blank = arguments.find(2, "blank");
  std::string space(4, ' ');
  if (width && width->integer() && *width->integer() >= 0 && *width->integer() <= 64) {
    space.assign(static_cast<std::size_t>(*width->integer()), ' ');
  } else if (width && width->text()) {
    space = *width->text();
  } else if (width) {
    refuse(arguments.line, "the width of 'indent'");
  }
  // As Jinja does it: a line end is added, and the last line goes with it.
  const std::vector<std::string> lines = lines_of(value.str() + "\n");
  std::string text = first && first->truth() ? space : "";
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) text += (blank && blank->truth()) || !lines[i].empty() ? "\n" + space : "\n";
    text += lines[i];
  }
  return Value::of(std::move(text));
}

Value replaced_text(const std::string& text, const Arguments& arguments) {
  const Value* old = arguments.find(0, "old");
  const Value* by = arguments.find(1, "new");
  if (!old || !by) refuse(arguments.line, "the filter 'replace' without two texts");
  const Value* count = arguments.find(2, "count");
  const std::int64_t most = count && count->integer() ? *count->integer() : -1;
  return Value::of(replaced(text, old->str(), by->str(), most, arguments.line));
}

// The first letter of each word is a capital: another rule than the method's.
Value title(const std::string& text, int line) {
  constexpr std::u32string_view kBefore = U"-({[<";
  std::string out;
  bool begins = true;
  for (const char32_t code : utf8::to_utf32(text)) {
    const std::string letter = utf8::from_utf32(std::u32string(1, code));
    out += in_case(begins ? "upper" : "lower", letter, line);
    begins = unicode::is_python_space(code) || kBefore.find(code) != std::u32string_view::npos;
  }
  return Value::of(std::move(out));
}

Value truncated(const std::string& text, const Arguments& arguments) {
  const auto number = [&](std::size_t place, std::string_view name, std::int64_t fallback) {
    const Value* given = arguments.find(place, name);
    if (given && !given->is_none() && !given->integer()) {
      refuse(arguments.line, "'truncate' with a " + given->type());
    }
    return given && given->integer() ? *given->integer() : fallback;
  };
  const std::u32string codes = utf8::to_utf32(text);
  const Value* kills = arguments.find(1, "killwords");
  const Value* end_given = arguments.find(2, "end");
  const std::u32string end = utf8::to_utf32(end_given ? end_given->str() : "...");
  const std::int64_t length = number(0, "length", 255);
  if (length < std::ssize(end)) refuse(arguments.line, "'truncate' to less than its end");
  if (std::ssize(codes) <= length + number(3, "leeway", 5)) return Value::of(text);
  std::u32string kept = codes.substr(0, static_cast<std::size_t>(length) - end.size());
  const std::size_t space = kept.rfind(U' ');
  if (!(kills && kills->truth()) && space != std::u32string::npos) kept.resize(space);
  return Value::of(utf8::from_utf32(kept + end));
}

Value word_count(const std::string& text) {
  std::int64_t count = 0;
  bool inside = false;
  for (const char32_t code : utf8::to_utf32(text)) {
    const bool word = unicode::is_word(code);
    count += word && !inside ? 1 : 0;
    inside = word;
  }
  return Value::of(count);
}

Value with_values(const std::string& text, const Arguments& arguments) {
  Dict named;
  List placed;
  for (std::size_t i = 0; i < arguments.values.size(); ++i) {
    if (arguments.names[i].empty()) placed.push_back(arguments.values[i]);
    if (!arguments.names[i].empty()) named.set(arguments.names[i], arguments.values[i]);
  }
  if (!named.members.empty() && !placed.empty()) {
    refuse(arguments.line, "'format' by names and by places");
  }
  const Value values =
      named.members.empty() ? Value::tuple(std::move(placed)) : Value::of(std::move(named));
  return Value::of(formatted(text, values, arguments.line));
}

std::optional<double> real_of(std::string_view text) {
  const std::string trimmed = stripped(text, true, true, std::nullopt);
  const char* begin = trimmed.data();
  const char* const end = begin + trimmed.size();
  if (begin != end && *begin == '+') ++begin;
  double value = 0;
  const auto [last, fault] = std::from_chars(begin, end, value);
  if (fault != std::errc() || last != end) return std::nullopt;
  return value;
}

// Python's int(): nothing where it raises.
std::optional<std::int64_t> whole_of(const Value& value) {
  if (value.text()) {
    const std::string trimmed = stripped(*value.text(), true, true, std::nullopt);
    const char* begin = trimmed.data();
    const char* const end = begin + trimmed.size();
    if (begin != end && *begin == '+') ++begin;
    std::int64_t whole = 0;
    const auto [last, fault] = std::from_chars(begin, end, whole);
    if (fault == std::errc() && last == end) return whole;
  }
  std::optional<double> real;
  if (value.text()) real = real_of(*value.text());
  if (value.is_number()) real = value.number();
  if (value.integer()) return *value.integer();
  if (!real || !(std::abs(*real) < 9e18)) return std::nullopt;
  return static_cast<std::int64_t>(*real);
}

Value number_or_default(std::string_view filter, const Value& value, const Arguments& arguments) {
  const Value* fallback = arguments.find(0, "default");
  if (arguments.values.size() > 1) {
    refuse(arguments.line, "'" + std::string(filter) + "' with another base");
  }
  if (filter == "int") {
    if (const auto whole = whole_of(value)) return Value::of(*whole);
    return fallback ? *fallback : Value::of(std::int64_t{0});
  }
  if (value.is_number()) return Value::of(value.number());
  if (const auto real = value.text() ? real_of(*value.text()) : std::nullopt) {
    return Value::of(*real);
  }
  return fallback ? *fallback : Value::of(0.0);
}

Value rounded(const Value& value, const Arguments& arguments) {
  const Value* precision = arguments.find(0, "precision");
  const Value* method = arguments.find(1, "method");
  const std::int64_t digits = precision && precision->integer() ? *precision->integer() : 0;
  const std::string how = method ? method->str() : "common";
  if (!value.is_number() || digits < 0 || digits > 15) refuse_value("round", value, arguments.line);
  if (how == "common") {
    if (!value.real()) return Value::of(static_cast<std::int64_t>(value.number()));
    return Value::of(real_of(fixed(value.number(), static_cast<int>(digits))).value_or(0));
  }
  if (how != "ceil" && how != "floor") refuse(arguments.line, "'round' by the method " + how);
  const double scale = std::pow(10.0, static_cast<double>(digits));
  const double scaled = value.number() * scale;
  return Value::of((how == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale);
}

}  // namespace

[[noreturn]] void refuse_value(std::string_view filter, const Value& value, int line) {
  refuse(line, "the filter '" + std::string(filter) + "' of a " + value.type());
}

std::optional<Value> filter_text(std::string_view name, const Value& value,
                                 const Arguments& arguments) {
  const int line = arguments.line;
  if (name == "safe") return Value::escaped(value.str());
  if (name == "e" || name == "escape") {
    return value.is_escaped() ? value : Value::escaped(escaped_html(value.str()));
  }
  if (name == "forceescape") return Value::escaped(escaped_html(value.str()));
  if (name == "string") return value.is_escaped() ? value : Value::of(value.str());
  if (name == "replace") return replaced_text(value.str(), arguments);
  if (name == "wordcount") return word_count(value.str());
  if (!among(name, {"trim", "upper", "lower", "capitalize", "title", "indent", "format", "center",
                    "truncate"})) {
    return std::nullopt;
  }
  if (value.is_escaped())
    refuse(line, "'" + std::string(name) + "' of a text that is marked as safe");
  if (name == "indent") return indented(value, arguments);
  if (name == "format") return with_values(value.str(), arguments);
  if (name == "title") return title(value.str(), line);
  if (name == "truncate") return truncated(value.str(), arguments);
  if (name == "center") {
    const Value width = Value::of(std::int64_t{80});
    const Value* given = arguments.find(0, "width");
    return call_method("center", Value::of(value.str()),
                       {.line = line, .values = {given ? *given : width}, .names = {""}});
  }
  if (name == "trim") {
    const Value* chars = arguments.find(0, "chars");
    const bool any_space = chars == nullptr || chars->is_none();
    return Value::of(
        stripped(value.str(), true, true, any_space ? std::nullopt : std::optional(chars->str())));
  }
  return Value::of(in_case(name, value.str(), line));
}

std::optional<Value> filter_number(std::string_view name, const Value& value,
                                   const Arguments& arguments) {
  if (name == "int" || name == "float") return number_or_default(name, value, arguments);
  if (name == "round") return rounded(value, arguments);
  if (name != "abs" || !value.is_number()) return std::nullopt;
  if (!value.real()) return Value::of(std::abs(static_cast<std::int64_t>(value.number())));
  return Value::of(std::abs(value.number()));
}

Value apply_filter(std::string_view name, const Value& value, const Arguments& arguments) {
  if (name == "default" || name == "d") return with_default(value, arguments);
  if (name == "tojson") return to_json(value, arguments);
  for (auto* const filter : {filter_list, filter_text, filter_number}) {
    if (auto result = filter(name, value, arguments)) return *std::move(result);
  }
  refuse(arguments.line, "the filter '" + std::string(name) + "' of a " + value.type());
}

}  // namespace instructblip::jinja
