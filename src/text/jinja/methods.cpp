// Functions of the environment, and methods of Python's texts and dicts.
#include <algorithm>
#include <array>
#include <ctime>

#include "core/limits.h"
#include "core/utf8.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/lexer.h"
#include "text/jinja/text_functions.h"

namespace instructblip::jinja {
namespace {

constexpr std::array<std::string_view, 5> kFunctions = {"range", "namespace", "dict",
                                                        "raise_exception", "strftime_now"};
constexpr std::array<std::string_view, 16> kTextMethods = {
    "strip", "lstrip", "rstrip",   "upper",      "lower",   "title", "capitalize", "startswith",
    "split", "rsplit", "endswith", "splitlines", "replace", "join",  "find",       "count"};
constexpr std::array<std::string_view, 5> kDictMethods = {"items", "keys", "values", "get", "copy"};

template <std::size_t N>
bool among(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

const Value& required(const Arguments& arguments, std::size_t place, std::string_view name,
                      std::string_view of) {
  const Value* found = arguments.find(place, name);
  if (found == nullptr) {
    refuse(arguments.line, "'" + std::string(of) + "' without its '" + std::string(name) + "'");
  }
  return *found;
}

std::string text_of(const Value& value, std::string_view of, int line) {
  if (!value.text()) refuse(line, "'" + std::string(of) + "' with a " + value.type());
  return *value.text();
}

std::int64_t integer_of(const Value& value, std::string_view of, int line) {
  if (!value.integer()) refuse(line, "'" + std::string(of) + "' with a " + value.type());
  return *value.integer();
}

// One text, or a list of which any one will do.
bool begins_or_ends(const std::string& text, const Value& parts, bool begins, int line) {
  const List all = parts.list() ? *parts.list() : List{parts};
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
  if (name == "upper" || name == "lower" || name == "title" || name == "capitalize") {
    return Value::of(in_case(name, text, line));
  }
  if (name == "split" || name == "rsplit") return split(name, text, arguments);
  if (name == "splitlines") {
    if (!arguments.values.empty()) refuse(line, "'splitlines' that keeps ends");
    return of_texts(lines_of(text));
  }
  if (name == "startswith" || name == "endswith") {
    const Value& parts = required(arguments, 0, "prefix", name);
    return Value::of(begins_or_ends(text, parts, name == "startswith", line));
  }
  if (name == "replace") {
    const Value* count = arguments.find(2, "count");
    return Value::of(replaced(text, argument(0, "old"), argument(1, "new"),
                              count ? integer_of(*count, name, line) : -1, line));
  }
  if (name == "join") return joined(text, required(arguments, 0, "iterable", name), line);
  if (arguments.values.size() > 1) refuse(line, "'" + std::string(name) + "' in a part of a text");
  const std::string sought = argument(0, "sub");
  if (name == "count") return Value::of(count_of(text, sought));
  const std::size_t at = text.find(sought);
  if (at == std::string::npos) return Value::of(std::int64_t{-1});
  return Value::of(static_cast<std::int64_t>(utf8::to_utf32(text.substr(0, at)).size()));
}

Value dict_method(std::string_view name, const Dict& dict, const Arguments& arguments) {
  if (name == "get") {
    const Value& key = required(arguments, 0, "key", name);
    const Value* found = key.text() ? dict.find(*key.text()) : nullptr;
    if (found) return *found;
    const Value* fallback = arguments.find(1, "default");
    return fallback ? *fallback : Value::none();
  }
  if (name == "copy") return Value::of(dict);
  List list;
  for (const auto& [key, value] : dict.members) {
    if (name == "keys") list.push_back(Value::of(key));
    if (name == "values") list.push_back(value);
    if (name == "items") list.push_back(Value::of(List{Value::of(key), value}));
  }
  return Value::of(std::move(list));
}

Value range(const Arguments& arguments) {
  const int line = arguments.line;
  std::vector<std::int64_t> bounds;
  for (const Value& value : arguments.values) bounds.push_back(integer_of(value, "range", line));
  if (bounds.empty() || bounds.size() > 3) refuse(line, "'range' expects one to three numbers");
  const std::int64_t first = bounds.size() > 1 ? bounds[0] : 0;
  const std::int64_t last = bounds.size() > 1 ? bounds[1] : bounds[0];
  const std::int64_t step = bounds.size() > 2 ? bounds[2] : 1;
  constexpr std::int64_t kMost = 100'000;  // Jinja's own in a sandbox
  if (step == 0 || std::abs(step) > kMost) refuse(line, "the step of 'range'");
  List list;
  for (std::int64_t i = first; step < 0 ? i > last : i < last; i += step) {
    if (std::ssize(list) == kMost) refuse(line, "a 'range' that is too long");
    list.push_back(Value::of(i));
  }
  return Value::of(std::move(list));
}

// Local time, and names of days and months in English.
Value strftime_now(const std::string& format, int line) {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  std::array<char, 4096> buffer{};
  const locale_t plain = newlocale(LC_ALL_MASK, "C", locale_t{});
  const std::size_t size =
      strftime_l(buffer.data(), buffer.size(), (format + "|").c_str(), &local, plain);
  freelocale(plain);
  if (size == 0) refuse(line, "the format of 'strftime_now'");
  return Value::of(std::string(buffer.data(), size - 1));
}

}  // namespace

bool is_function(std::string_view name) { return among(kFunctions, name); }

bool is_method(std::string_view name, const Value& self) {
  if (self.text()) return among(kTextMethods, name);
  if (!self.dict()) return false;
  if (self.dict()->kind == Dict::Kind::loop) return name == "cycle";
  return self.dict()->kind == Dict::Kind::mapping && among(kDictMethods, name);
}

Value call_method(std::string_view name, const Value& self, const Arguments& arguments) {
  if (self.text()) return text_method(name, *self.text(), arguments);
  if (self.dict()->kind != Dict::Kind::loop) return dict_method(name, *self.dict(), arguments);
  if (arguments.values.empty()) refuse(arguments.line, "'cycle' of nothing");
  const std::int64_t index = *self.dict()->find("index0")->integer();
  return arguments.values[static_cast<std::size_t>(index) % arguments.values.size()];
}

Value call_function(std::string_view name, const Arguments& arguments) {
  const int line = arguments.line;
  if (name == "range") return range(arguments);
  if (name == "raise_exception") {
    refuse(line,
           "the template refuses the question: " + required(arguments, 0, "message", name).str());
  }
  if (name == "strftime_now") {
    return strftime_now(text_of(required(arguments, 0, "format", name), name, line), line);
  }
  Dict dict{.kind = name == "namespace" ? Dict::Kind::name_space : Dict::Kind::mapping,
            .members = {}};
  for (std::size_t i = 0; i < arguments.values.size(); ++i) {
    const Value& value = arguments.values[i];
    if (!arguments.names[i].empty()) {
      dict.set(arguments.names[i], value);
    } else if (i == 0 && value.dict()) {
      for (const auto& [key, held] : value.dict()->members) dict.set(key, held);
    } else {
      refuse(line, "'" + std::string(name) + "' of a " + value.type());
    }
  }
  return Value::of(std::move(dict));
}

}  // namespace instructblip::jinja
