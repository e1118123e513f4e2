// Functions of the environment, and methods of Python's texts and dicts.
#include "text/jinja/methods.h"

#include <algorithm>
#include <array>
#include <ctime>

#include "text/jinja/interpreter.h"
#include "text/jinja/lexer.h"

namespace instructblip::jinja {
std::string text_of(const Value& value, std::string_view of, int line) {
  if (!value.text()) refuse(line, "'" + std::string(of) + "' with a " + value.type());
  return *value.text();
}

std::int64_t integer_of(const Value& value, std::string_view of, int line) {
  if (!value.integer()) refuse(line, "'" + std::string(of) + "' with a " + value.type());
  return *value.integer();
}

namespace {

constexpr std::array<std::string_view, 5> kFunctions = {"range", "namespace", "dict",
                                                        "raise_exception", "strftime_now"};
constexpr std::array<std::string_view, 5> kDictMethods = {"items", "keys", "values", "get", "copy"};

template <std::size_t N>
bool among(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
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
  using Kind = Sequence::Kind;
  Sequence view{.kind = name == "keys"     ? Kind::keys
                        : name == "values" ? Kind::values
                                           : Kind::items};
  for (const auto& [key, value] : dict.members) {
    if (name == "keys") view.items.push_back(Value::of(key));
    if (name == "values") view.items.push_back(value);
    if (name == "items") view.items.push_back(Value::tuple({Value::of(key), value}));
  }
  return Value::of(std::move(view));
}

// count and index, of a list or a tuple.
Value list_method(std::string_view name, const List& list, const Arguments& arguments) {
  const Value& wanted = required(arguments, 0, "value", name);
  std::int64_t count = 0;
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (!list[i].equals(wanted)) continue;
    if (name == "index") return Value::of(static_cast<std::int64_t>(i));
    ++count;
  }
  if (name == "index") refuse(arguments.line, "'index' of what is not there");
  return Value::of(count);
}

// cycle, and changed, whose memory all turns of a loop share.
Value loop_method(std::string_view name, const Dict& loop, const Arguments& arguments) {
  if (name == "changed") {
    Dict& memory = *loop.find(kLoopMemory)->dict();
    const Value now = Value::of(arguments.values);
    const Value* before = memory.find("last");
    const bool changed = before == nullptr || !before->equals(now);
    memory.set("last", now);
    return Value::of(changed);
  }
  if (arguments.values.empty()) refuse(arguments.line, "'cycle' of nothing");
  const std::int64_t index = *loop.find("index0")->integer();
  return arguments.values[static_cast<std::size_t>(index) % arguments.values.size()];
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
  Sequence result{.kind = Sequence::Kind::range};
  for (std::int64_t i = first; step < 0 ? i > last : i < last; i += step) {
    if (std::ssize(result.items) == kMost) refuse(line, "a 'range' that is too long");
    result.items.push_back(Value::of(i));
  }
  result.shown = "range(" + std::to_string(first) + ", " + std::to_string(last) +
                 (bounds.size() > 2 && step != 1 ? ", " + std::to_string(step) : "") + ")";
  return Value::of(std::move(result));
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
  if (self.text()) return is_text_method(name);
  if (self.list()) return name == "count" || name == "index";
  if (!self.dict()) return false;
  if (self.dict()->kind == Dict::Kind::loop) return name == "cycle" || name == "changed";
  return self.dict()->kind == Dict::Kind::mapping && among(kDictMethods, name);
}

Value call_method(std::string_view name, const Value& self, const Arguments& arguments) {
  if (self.is_escaped()) {
    refuse(arguments.line, "'" + std::string(name) + "' of a text that is marked as safe");
  }
  if (self.text()) return text_method(name, *self.text(), arguments);
  if (self.list()) return list_method(name, *self.list(), arguments);
  if (self.dict()->kind == Dict::Kind::loop) return loop_method(name, *self.dict(), arguments);
  return dict_method(name, *self.dict(), arguments);
}

const Value& required(const Arguments& arguments, std::size_t place, std::string_view name,
                      std::string_view of) {
  const Value* found = arguments.find(place, name);
  if (found == nullptr) {
    refuse(arguments.line, "'" + std::string(of) + "' without its '" + std::string(name) + "'");
  }
  return *found;
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
