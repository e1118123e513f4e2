// Filters and tests: Jinja's, with transformers' tojson.
#include <algorithm>
#include <array>
#include <cmath>
#include <functional>

#include "core/json.h"
#include "core/limits.h"
#include "core/utf8.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/lexer.h"
#include "text/jinja/text_functions.h"

namespace instructblip::jinja {
namespace {

[[noreturn]] void refuse_value(std::string_view filter, const Value& value, int line) {
  refuse(line, "the filter '" + std::string(filter) + "' of a " + value.type());
}

// The member `path` of `value`: names and numbers with dots between them.
Value member(const Value& value, const Value& path) {
  if (!path.text()) return subscript(value, path);
  Value found = value;
  for (const std::string& name : split_at(*path.text(), ".", -1, /*from_right=*/false)) {
    const bool digits = !name.empty() && name.size() < 10 &&
                        std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; });
    found = subscript(found, digits ? Value::of(std::int64_t{std::stoi(name)}) : Value::of(name));
  }
  return found;
}

// The arguments behind the first `count`.
Arguments behind(const Arguments& arguments, std::size_t count) {
  Arguments rest{.line = arguments.line};
  for (std::size_t i = count; i < arguments.values.size(); ++i) {
    rest.values.push_back(arguments.values[i]);
    rest.names.push_back(arguments.names[i]);
  }
  return rest;
}

const std::string& name_at(std::string_view filter, const Arguments& arguments, std::size_t place) {
  if (arguments.values.size() <= place || !arguments.values[place].text()) {
    refuse(arguments.line, "the filter '" + std::string(filter) + "' without a name");
  }
  return *arguments.values[place].text();
}

// select, reject, selectattr, rejectattr.
Value chosen(std::string_view filter, const Value& value, const Arguments& arguments) {
  const bool by_member = filter.ends_with("attr");
  const bool wanted = filter.starts_with("select");
  const std::size_t place = by_member ? 1 : 0;
  if (by_member && arguments.values.empty()) {
    refuse(arguments.line, "the filter '" + std::string(filter) + "' without an attribute");
  }
  List list;
  for (const Value& item : items_of(value, arguments.line)) {
    const Value looked_at = by_member ? member(item, arguments.values[0]) : item;
    const bool passes =
        arguments.values.size() > place
            ? apply_test(name_at(filter, arguments, place), looked_at, behind(arguments, place + 1))
            : looked_at.truth();
    if (passes == wanted) list.push_back(item);
  }
  return Value::of(std::move(list));
}

Value mapped(const Value& value, const Arguments& arguments) {
  const Value* attribute = arguments.find(100, "attribute");
  const Value* fallback = arguments.find(100, "default");
  List list;
  for (const Value& item : items_of(value, arguments.line)) {
    if (!attribute) {
      list.push_back(apply_filter(name_at("map", arguments, 0), item, behind(arguments, 1)));
      continue;
    }
    const Value found = member(item, *attribute);
    list.push_back(found.is_undefined() && fallback ? *fallback : found);
  }
  return Value::of(std::move(list));
}

Value joined(const Value& value, const Arguments& arguments) {
  const Value* between = arguments.find(0, "d");
  const Value* attribute = arguments.find(1, "attribute");
  std::string text;
  bool first = true;
  for (const Value& item : items_of(value, arguments.line)) {
    if (!first && between) text += between->str();
    first = false;
    text += (attribute ? member(item, *attribute) : item).str();
    if (std::ssize(text) > limits::kTemplateOutput) refuse(arguments.line, "a text too long");
  }
  return Value::of(std::move(text));
}

// json.dumps() with ensure_ascii=False.
void dump(const Value& value, const std::string& newline, std::string_view indent,
          const Arguments& arguments, std::string& out) {
  const bool pretty = !indent.empty();
  const std::string inner = newline + std::string(indent);
  const std::string comma = pretty ? "," : ", ";
  const auto entries = [&](std::size_t count, char open, char close, const auto& entry) {
    out += open;
    for (std::size_t i = 0; i < count; ++i) {
      if (i > 0) out += comma;
      if (pretty) out += inner;
      entry(i);
    }
    if (pretty && count > 0) out += newline;
    out += close;
  };
  if (std::ssize(out) > limits::kTemplateOutput) refuse(arguments.line, "a text too long");
  if (value.is_none()) {
    out += "null";
  } else if (const bool* held = value.boolean()) {
    out += *held ? "true" : "false";
  } else if (value.is_number()) {
    out += value.repr();
  } else if (value.text()) {
    out += json_literal(*value.text());
  } else if (value.list()) {
    entries(value.list()->size(), '[', ']',
            [&](std::size_t i) { dump((*value.list())[i], inner, indent, arguments, out); });
  } else if (value.dict() && value.dict()->kind == Dict::Kind::mapping) {
    entries(value.dict()->members.size(), '{', '}', [&](std::size_t i) {
      out += json_literal(value.dict()->members[i].first) + ": ";
      dump(value.dict()->members[i].second, inner, indent, arguments, out);
    });
  } else {
    refuse_value("tojson", value, arguments.line);
  }
}

Value to_json(const Value& value, const Arguments& arguments) {
  const Value* indent = arguments.find(1, "indent");
  for (std::size_t i = 0; i < arguments.values.size(); ++i) {
    const bool plain = arguments.names[i] == "indent" ||
                       (arguments.names[i] == "ensure_ascii" && !arguments.values[i].truth());
    if (!plain) refuse(arguments.line, "'tojson' with other arguments than 'indent'");
  }
  std::int64_t width = 0;
  if (indent && !indent->is_none()) {
    if (!indent->integer() || *indent->integer() < 1 || *indent->integer() > 64) {
      refuse(arguments.line, "the indent of 'tojson'");
    }
    width = *indent->integer();
  }
  std::string out;
  dump(value, "\n", std::string(static_cast<std::size_t>(width), ' '), arguments, out);
  return Value::of(std::move(out));
}

Value length_of(const Value& value, int line) {
  if (value.list()) return Value::of(std::int64_t{std::ssize(*value.list())});
  if (value.text()) return Value::of(std::int64_t{std::ssize(utf8::to_utf32(*value.text()))});
  if (value.dict()) return Value::of(std::int64_t{std::ssize(value.dict()->members)});
  if (value.is_undefined()) return Value::of(std::int64_t{0});
  refuse_value("length", value, line);
}

// first, last: what is undefined of nothing.
Value end_of(std::string_view filter, const Value& value, int line) {
  const List items = items_of(value, line);
  if (items.empty()) return Value::undefined("the " + std::string(filter) + " of nothing");
  return filter == "first" ? items.front() : items.back();
}

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

Value text_filter(std::string_view filter, const Value& value, const Arguments& arguments) {
  const std::string text = value.str();
  if (filter == "trim") {
    const Value* chars = arguments.find(0, "chars");
    return Value::of(stripped(
        text, true, true, chars && !chars->is_none() ? std::optional(chars->str()) : std::nullopt));
  }
  if (filter == "replace") {
    const Value* old = arguments.find(0, "old");
    const Value* by = arguments.find(1, "new");
    if (!old || !by) refuse(arguments.line, "the filter 'replace' without two texts");
    const Value* count = arguments.find(2, "count");
    const std::int64_t most = count && count->integer() ? *count->integer() : -1;
    return Value::of(replaced(text, old->str(), by->str(), most, arguments.line));
  }
  if (filter == "title") refuse(arguments.line, "the filter 'title'");  // not the method's rule
  return Value::of(in_case(filter, text, arguments.line));
}

Value listed(std::string_view filter, const Value& value, int line) {
  if (filter == "items") {
    if (value.is_undefined()) return Value::of(List());
    if (!value.dict()) refuse_value(filter, value, line);
    return call_method("items", value, {.line = line});
  }
  if (filter == "reverse" && value.text()) {
    std::u32string codes = utf8::to_utf32(*value.text());
    std::ranges::reverse(codes);
    return Value::of(utf8::from_utf32(codes));
  }
  List items = items_of(value, line);
  if (filter == "reverse") std::ranges::reverse(items);
  return Value::of(std::move(items));
}

bool among(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::ranges::find(names, name) != names.end();
}

const Value& operand(std::string_view test, const Arguments& arguments) {
  if (arguments.values.size() != 1) {
    refuse(arguments.line, "the test '" + std::string(test) + "' without a value to compare with");
  }
  return arguments.values[0];
}

std::optional<bool> compared(std::string_view test, const Value& value,
                             const Arguments& arguments) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 17> kSigns = {{
      {"equalto", "=="},
      {"eq", "=="},
      {"==", "=="},
      {"ne", "!="},
      {"!=", "!="},
      {"lt", "<"},
      {"lessthan", "<"},
      {"<", "<"},
      {"gt", ">"},
      {"greaterthan", ">"},
      {">", ">"},
      {"le", "<="},
      {"<=", "<="},
      {"ge", ">="},
      {">=", ">="},
      {"in", "in"},
      {"sameas", "=="},
  }};
  const auto found =
      std::ranges::find(kSigns, test, &std::pair<std::string_view, std::string_view>::first);
  if (found == kSigns.end()) return std::nullopt;
  const Value& other = operand(test, arguments);
  if (test == "sameas" && value.type() != other.type()) return false;
  return compare(found->second, value, other, arguments.line);
}

}  // namespace

Value apply_filter(std::string_view name, const Value& value, const Arguments& arguments) {
  const int line = arguments.line;
  if (among(name, {"select", "reject", "selectattr", "rejectattr"})) {
    return chosen(name, value, arguments);
  }
  if (name == "map") return mapped(value, arguments);
  if (name == "join") return joined(value, arguments);
  if (name == "tojson") return to_json(value, arguments);
  if (name == "length" || name == "count") return length_of(value, line);
  if (name == "first" || name == "last") return end_of(name, value, line);
  if (name == "default" || name == "d") return with_default(value, arguments);
  if (name == "indent") return indented(value, arguments);
  if (name == "string" || name == "safe") {
    return name == "string" || value.is_undefined() ? Value::of(value.str()) : value;
  }
  if (among(name, {"trim", "replace", "upper", "lower", "capitalize", "title"})) {
    return text_filter(name, value, arguments);
  }
  if (among(name, {"list", "items", "reverse"})) return listed(name, value, line);
  if (name == "abs" && value.is_number()) {
    if (value.integer()) return Value::of(std::abs(*value.integer()));
    return Value::of(std::abs(value.number()));
  }
  if (name == "int" && (value.integer() || value.boolean())) {
    return Value::of(static_cast<std::int64_t>(value.number()));
  }
  refuse(line, "the filter '" + std::string(name) + "' of a " + value.type());
}

bool apply_test(std::string_view name, const Value& value, const Arguments& arguments) {
  if (const auto result = compared(name, value, arguments)) return *result;
  const bool is_sequence = value.text() || value.list() || value.dict() || value.is_undefined();
  if (name == "defined") return !value.is_undefined();
  if (name == "undefined") return value.is_undefined();
  if (name == "none") return value.is_none();
  if (name == "string") return value.text() != nullptr;
  if (name == "mapping") return value.dict() && value.dict()->kind == Dict::Kind::mapping;
  if (name == "iterable" || name == "sequence") return is_sequence;
  if (name == "number") return value.is_number();
  if (name == "boolean") return value.boolean() != nullptr;
  if (name == "true") return value.boolean() && *value.boolean();
  if (name == "false") return value.boolean() && !*value.boolean();
  if (name == "integer") return value.integer() != nullptr;
  if (name == "float") return value.real() != nullptr;
  if (name == "callable") return value.callable() != nullptr;
  if (name == "odd" || name == "even" || name == "divisibleby") {
    const std::int64_t two = 2;
    const Value by = name == "divisibleby" ? operand(name, arguments) : Value::of(two);
    const Value rest = binary("%", value, by, arguments.line);
    return (rest.number() == 0) == (name != "odd");
  }
  refuse(arguments.line, "the test '" + std::string(name) + "'");
}

}  // namespace instructblip::jinja
