// Methods of Python's texts.
#include <algorithm>
#include <array>

#include "core/limits.h"
#include "core/utf8.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/lexer.h"
#include "text/jinja/methods.h"
#include "text/jinja/text_format.h"
#include "text/jinja/text_functions.h"

namespace instructblip::jinja {
namespace {

constexpr std::array<std::string_view, 39> kNames = {
    "strip",     "lstrip",     "rstrip",       "upper",        "lower",   "title",     "capitalize",
    "casefold",  "swapcase",   "startswith",   "endswith",     "split",   "rsplit",    "splitlines",
    "partition", "rpartition", "removeprefix", "removesuffix", "replace", "join",      "find",
    "rfind",     "index",      "rindex",       "count",        "center",  "ljust",     "rjust",
    "zfill",     "format",     "isalpha",      "isalnum",      "isdigit", "isdecimal", "isnumeric",
    "isspace",   "isupper",    "islower",      "isascii"};

// One text, or a tuple of which any one will do.
bool begins_or_ends(const std::string& text, const Value& parts, bool begins, int line) {
  const List all = parts.is_tuple() ? *parts.list() : List{parts};
  return std::ranges::any_of(all, [&](const Value& part) {
    const std::string wanted = text_of(part, begins ? "startswith" : "endswith", line);
    return begins ? text.starts_with(wanted) : text.ends_with(wanted);
  });
}

Value of_texts(const std::vector<std::string>& texts) {
  List list;
  for (const std::string& text : texts) list.push_back(Value::of(text));
  return Value::of(std::move(list));
}

Value split(std::string_view name, const std::string& text, const Arguments& arguments) {
  const Value* separator = arguments.find(0, "sep");
  const Value* limit = arguments.find(1, "maxsplit");
  const std::int64_t most = limit ? integer_of(*limit, name, arguments.line) : -1;
  const bool from_right = name == "rsplit";
  if (separator == nullptr || separator->is_none()) {
    if (from_right && most >= 0) refuse(arguments.line, "'rsplit' at white space with a maximum");
    return of_texts(split_at_space(text, most));
  }
  const std::string at = text_of(*separator, name, arguments.line);
  if (at.empty()) refuse(arguments.line, "'" + std::string(name) + "' at an empty text");
  return of_texts(split_at(text, at, most, from_right));
}

Value partitioned(const std::string& text, const std::string& at, bool from_right, int line) {
  if (at.empty()) refuse(line, "'partition' at an empty text");
  const std::size_t place = from_right ? text.rfind(at) : text.find(at);
  const Value nothing = Value::of(std::string());
  if (place == std::string::npos) {
    return from_right ? Value::tuple({nothing, nothing, Value::of(text)})
                      : Value::tuple({Value::of(text), nothing, nothing});
  }
  return Value::tuple(
      {Value::of(text.substr(0, place)), Value::of(at), Value::of(text.substr(place + at.size()))});
}

Value joined(const std::string& between, const Value& items, int line) {
  std::string text;
  bool first = true;
  for (const Value& item : items_of(items, line)) {
    if (!first) text += between;
    first = false;
    text += text_of(item, "join", line);
    if (std::ssize(text) > limits::kTemplateOutput) refuse(line, "a text that is too long");
  }
  return Value::of(std::move(text));
}

// find, rfind, index, rindex and count, from one character on and before another.
Value sought(std::string_view name, const std::string& text, const Arguments& arguments) {
  const int line = arguments.line;
  const std::string part = text_of(required(arguments, 0, "sub", name), name, line);
  const Value* from = arguments.find(1, {});
  const Value* to = arguments.find(2, {});
  const std::u32string codes = utf8::to_utf32(text);
  const std::int64_t size = std::ssize(codes);
  const auto bound = [&](const Value* value, std::int64_t fallback) {
    if (value == nullptr || value->is_none()) return fallback;
    const std::int64_t at = integer_of(*value, name, line);
    return at < 0 ? std::max<std::int64_t>(0, at + size) : at;
  };
  const std::int64_t begin = bound(from, 0);
  const std::int64_t end = std::min(bound(to, size), size);
  const bool inside = begin <= end;
  const std::u32string where =
      inside ? codes.substr(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin))
             : std::u32string();
  if (name == "count") {
    return Value::of(inside ? count_of(utf8::from_utf32(where), part) : std::int64_t{0});
  }
  const std::u32string wanted = utf8::to_utf32(part);
  const std::size_t at = name.starts_with('r') ? where.rfind(wanted) : where.find(wanted);
  if (inside && at != std::u32string::npos) {
    return Value::of(begin + static_cast<std::int64_t>(at));
  }
  if (name.ends_with("index")) refuse(line, "'" + std::string(name) + "' of what is not there");
  return Value::of(std::int64_t{-1});
}

Value padded_text(std::string_view name, const std::string& text, const Arguments& arguments) {
  const int line = arguments.line;
  const std::int64_t width = integer_of(required(arguments, 0, "width", name), name, line);
  if (width > limits::kTemplateItems) refuse(line, "a width of that many characters");
  if (name == "zfill") {
    const bool is_signed = text.starts_with('-') || text.starts_with('+');
    const std::string digits =
        padded(text.substr(is_signed ? 1 : 0), width - (is_signed ? 1 : 0), U'0', '>');
    return Value::of((is_signed ? text.substr(0, 1) : "") + digits);
  }
  const Value* fill = arguments.find(1, "fillchar");
  const std::u32string filling = fill ? utf8::to_utf32(text_of(*fill, name, line)) : U" ";
  if (filling.size() != 1) refuse(line, "'" + std::string(name) + "' with more than a character");
  if (name != "center")
    return Value::of(padded(text, width, filling[0], name == "ljust" ? '<' : '>'));
  // Python's rule: the odd one stands on the left where the width is odd.
  const std::int64_t missing = std::max<std::int64_t>(0, width - std::ssize(utf8::to_utf32(text)));
  const std::int64_t left = missing / 2 + (missing & width & 1);
  const std::string half = padded(text, width - left, filling[0], '<');
  return Value::of(padded(half, width, filling[0], '>'));
}

Value without(std::string_view name, const std::string& text, const std::string& part) {
  const bool begins = name == "removeprefix";
  const bool there = begins ? text.starts_with(part) : text.ends_with(part);
  if (!there) return Value::of(text);
  return Value::of(text.substr(begins ? part.size() : 0, text.size() - part.size()));
}

}  // namespace

bool is_text_method(std::string_view name) {
  return std::ranges::find(kNames, name) != kNames.end();
}

Value text_method(std::string_view name, const std::string& text, const Arguments& arguments) {
  const int line = arguments.line;
  const auto argument = [&](std::size_t place, std::string_view parameter) {
    return text_of(required(arguments, place, parameter, name), name, line);
  };
  if (name == "strip" || name == "lstrip" || name == "rstrip") {
    const Value* given = arguments.find(0, "chars");
    const bool any_space = given == nullptr || given->is_none();
    return Value::of(
        stripped(text, name != "rstrip", name != "lstrip",
                 any_space ? std::nullopt : std::optional(text_of(*given, name, line))));
  }
  if (name == "split" || name == "rsplit") return split(name, text, arguments);
  if (name == "splitlines") {
    const Value* keeps = arguments.find(0, "keepends");
    return of_texts(lines_of(text, keeps != nullptr && keeps->truth()));
  }
  if (name == "startswith" || name == "endswith") {
    if (arguments.values.size() > 1) refuse(line, "'" + std::string(name) + "' of a part");
    const Value& parts = required(arguments, 0, "prefix", name);
    return Value::of(begins_or_ends(text, parts, name == "startswith", line));
  }
  if (name == "replace") {
    const Value* count = arguments.find(2, "count");
    return Value::of(replaced(text, argument(0, "old"), argument(1, "new"),
                              count ? integer_of(*count, name, line) : -1, line));
  }
  if (name == "partition" || name == "rpartition") {
    return partitioned(text, argument(0, "sep"), name == "rpartition", line);
  }
  if (name.starts_with("remove")) return without(name, text, argument(0, "prefix"));
  if (name == "join") return joined(text, required(arguments, 0, "iterable", name), line);
  if (name == "format") return Value::of(formatted_in_braces(text, arguments));
  if (name == "center" || name == "zfill" || name.ends_with("just")) {
    return padded_text(name, text, arguments);
  }
  if (name == "count" || name.ends_with("find") || name.ends_with("index")) {
    return sought(name, text, arguments);
  }
  if (name.starts_with("is")) return Value::of(is_made_of(name, text, line));
  return Value::of(in_case(name, text, line));
}

}  // namespace instructblip::jinja
