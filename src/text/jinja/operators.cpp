// Operators, subscripts and loops, as Python's.
#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "core/limits.h"
#include "core/utf8.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/lexer.h"
#include "text/jinja/text_format.h"
#include "text/jinja/text_functions.h"

namespace instructblip::jinja {
namespace {

[[noreturn]] void refuse_types(std::string_view sign, const Value& a, const Value& b, int line) {
  refuse(line, "'" + std::string(sign) + "' between a " + a.type() + " and a " + b.type() +
                   (a.is_undefined() ? " ('" + a.undefined_name() + "')" : "") +
                   (b.is_undefined() ? " ('" + b.undefined_name() + "')" : ""));
}

std::string limited(std::string text, int line) {
  if (std::ssize(text) > limits::kTemplateOutput) refuse(line, "a text that is too long");
  return text;
}

std::optional<std::int64_t> whole(const Value& value) {
  if (const bool* held = value.boolean()) return *held ? 1 : 0;
  if (const std::int64_t* held = value.integer()) return *held;
  return std::nullopt;
}

std::int64_t floor_divided(std::int64_t a, std::int64_t b) {
  return a / b - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0);
}

// Both are integers or truth values.
Value of_integers(std::string_view sign, std::int64_t a, std::int64_t b, int line) {
  std::int64_t result = 0;
  bool overflow = false;
  if (sign == "+") overflow = __builtin_add_overflow(a, b, &result);
  if (sign == "-") overflow = __builtin_sub_overflow(a, b, &result);
  if (sign == "*") overflow = __builtin_mul_overflow(a, b, &result);
  if (sign == "/" || sign == "//" || sign == "%") {
    if (b == 0) refuse(line, "a division by zero");
    overflow = a == std::numeric_limits<std::int64_t>::min() && b == -1;
    if (sign == "/") return Value::of(static_cast<double>(a) / static_cast<double>(b));
    if (!overflow) result = floor_divided(a, b);
    if (!overflow && sign == "%") result = a - b * result;
  }
  if (sign == "**") {
    if (b < 0) return Value::of(std::pow(static_cast<double>(a), static_cast<double>(b)));
    result = 1;
    for (std::int64_t i = 0; i < b && !overflow && i < 64; ++i) {
      overflow = __builtin_mul_overflow(result, a, &result);
    }
    overflow = overflow || b > 64;
  }
  if (overflow) refuse(line, "a number of more than 64 bits");
  return Value::of(result);
}

Value of_numbers(std::string_view sign, const Value& left, const Value& right, int line) {
  const auto a = whole(left);
  const auto b = whole(right);
  if (a && b) return of_integers(sign, *a, *b, line);
  const double x = left.number();
  const double y = right.number();
  if (sign == "+") return Value::of(x + y);
  if (sign == "-") return Value::of(x - y);
  if (sign == "*") return Value::of(x * y);
  if (sign == "**") return Value::of(std::pow(x, y));
  if (y == 0) refuse(line, "a division by zero");
  if (sign == "/") return Value::of(x / y);
  if (sign == "//") return Value::of(std::floor(x / y));
  return Value::of(x - y * std::floor(x / y));
}

std::string repeated(const std::string& text, std::int64_t count, int line) {
  std::string result;
  for (std::int64_t i = 0; i < count && !text.empty(); ++i) {
    result = limited(std::move(result) + text, line);
  }
  return result;
}

// What stands beside a text that is marked as escaped is escaped too.
std::string escaped(const Value& text) {
  return text.is_escaped() ? *text.text() : escaped_html(*text.text());
}

// The items of `list` so many times.
List repeated(const List& list, std::int64_t count, int line) {
  List result;
  for (std::int64_t i = 0; i < count && !list.empty(); ++i) {
    if (std::ssize(result) + std::ssize(list) > limits::kTemplateItems) {
      refuse(line, "a list that is too long");
    }
    result.insert(result.end(), list.begin(), list.end());
  }
  return result;
}

// The kind of what `+` and `*` make of a list or a tuple: the same. None: they take nothing else.
std::optional<Sequence::Kind> kind_to_join(const Value& value) {
  if (!value.sequence() || value.sequence()->kind == Sequence::Kind::range) return std::nullopt;
  if (value.is_tuple()) return Sequence::Kind::tuple;
  return value.list() ? std::optional(Sequence::Kind::list) : std::nullopt;
}

bool holds(const Value& container, const Value& item, int line) {
  if (container.text()) {
    if (!item.text()) refuse_types("in", item, container, line);
    return container.text()->find(*item.text()) != std::string::npos;
  }
  if (container.dict()) return item.text() && container.dict()->find(*item.text()) != nullptr;
  if (container.is_undefined()) return false;
  Sequence* const held = container.sequence();
  if (held == nullptr) refuse_types("in", item, container, line);
  for (std::size_t i = held->taken; i < held->items.size(); ++i) {
    const bool iterates = held->kind == Sequence::Kind::iterator;
    if (iterates) held->taken = i + 1;
    if (held->items[i].equals(item)) return true;
  }
  return false;
}

}  // namespace

Value binary(std::string_view sign, const Value& left, const Value& right, int line) {
  if (sign == "~") return Value::of(limited(left.str() + right.str(), line));
  if (left.is_number() && right.is_number()) return of_numbers(sign, left, right, line);
  if (sign == "+" && left.text() && right.text() && (left.is_escaped() || right.is_escaped())) {
    return Value::escaped(limited(escaped(left) + escaped(right), line));
  }
  if (left.is_escaped() || right.is_escaped()) {
    refuse(line, "'" + std::string(sign) + "' with a text that is marked as safe");
  }
  if (sign == "%" && left.text()) return Value::of(formatted(*left.text(), right, line));
  if (sign == "+" && left.text() && right.text()) {
    return Value::of(limited(*left.text() + *right.text(), line));
  }
  const auto kind = kind_to_join(left);
  if (sign == "+" && kind && kind == kind_to_join(right)) {
    List both = *left.list();
    both.insert(both.end(), right.list()->begin(), right.list()->end());
    return Value::of(Sequence{.kind = *kind, .items = std::move(both)});
  }
  const Value& times = left.text() || kind ? right : left;
  const Value& many = left.text() || kind ? left : right;
  if (sign == "*" && whole(times)) {
    if (many.text()) return Value::of(repeated(*many.text(), *whole(times), line));
    if (const auto of_many = kind_to_join(many)) {
      return Value::of(
          Sequence{.kind = *of_many, .items = repeated(*many.list(), *whole(times), line)});
    }
  }
  refuse_types(sign, left, right, line);
}

// By the first items that are not equal, else by length.
int order_of(const List& left, const List& right, int line) {
  for (std::size_t i = 0; i < std::min(left.size(), right.size()); ++i) {
    if (left[i].equals(right[i])) continue;
    return compare("<", left[i], right[i], line) ? -1 : 1;
  }
  return left.size() < right.size() ? -1 : left.size() > right.size() ? 1 : 0;
}

bool compare(std::string_view sign, const Value& left, const Value& right, int line) {
  if (sign == "==") return left.equals(right);
  if (sign == "!=") return !left.equals(right);
  if (sign == "in") return holds(right, left, line);
  if (sign == "not in") return !holds(right, left, line);
  int order = 0;
  if (left.is_number() && right.is_number()) {
    order = left.number() < right.number() ? -1 : left.number() > right.number() ? 1 : 0;
  } else if (left.text() && right.text()) {  // bytes of UTF-8 stand in the order of code points
    order = left.text()->compare(*right.text());
  } else if (kind_to_join(left) && kind_to_join(left) == kind_to_join(right)) {
    order = order_of(*left.list(), *right.list(), line);
  } else {
    refuse_types(sign, left, right, line);
  }
  if (sign == "<") return order < 0;
  if (sign == ">") return order > 0;
  return sign == "<=" ? order <= 0 : order >= 0;
}

Value subscript(const Value& value, const Value& key) {
  if (value.dict()) {
    const Value* found = key.text() ? value.dict()->find(*key.text()) : nullptr;
    return found ? *found : Value::undefined(key.str());
  }
  const auto index = whole(key);
  const Sequence* sequence = value.sequence();
  if (sequence && sequence->kind == Sequence::Kind::group && key.text()) {
    if (*key.text() == "grouper") return sequence->items[0];
    if (*key.text() == "list") return sequence->items[1];
  }
  if (!index) return Value::undefined(key.str());
  if (value.list()) {
    const std::int64_t size = std::ssize(*value.list());
    const std::int64_t at = *index < 0 ? *index + size : *index;
    if (at < 0 || at >= size) return Value::undefined(key.str());
    return (*value.list())[static_cast<std::size_t>(at)];
  }
  if (!value.text()) return Value::undefined(key.str());
  const std::u32string text = utf8::to_utf32(*value.text());
  const std::int64_t size = std::ssize(text);
  const std::int64_t at = *index < 0 ? *index + size : *index;
  if (at < 0 || at >= size) return Value::undefined(key.str());
  return Value::of(utf8::from_utf32(text.substr(static_cast<std::size_t>(at), 1)));
}

namespace {

// The indices that Python's slice() stands for.
std::vector<std::size_t> indices(std::int64_t size, const Value& begin, const Value& end,
                                 std::int64_t step) {
  const auto bound = [&](const Value& value, std::int64_t fallback) {
    if (value.is_none()) return fallback;
    const std::int64_t given = whole(value).value_or(0);
    const std::int64_t lowest = step < 0 ? -1 : 0;
    const std::int64_t highest = step < 0 ? size - 1 : size;
    if (given < 0) return std::max(lowest, given < -size ? lowest : given + size);
    return std::min(highest, given);
  };
  const std::int64_t first = bound(begin, step < 0 ? size - 1 : 0);
  const std::int64_t last = bound(end, step < 0 ? -1 : size);
  std::vector<std::size_t> result;
  for (std::int64_t i = first; step < 0 ? i > last : i < last; i += step) {
    result.push_back(static_cast<std::size_t>(i));
  }
  return result;
}

}  // namespace

Value slice(const Value& value, const Value& begin, const Value& end, const Value& step, int line) {
  for (const Value* bound : {&begin, &end, &step}) {
    if (!bound->is_none() && !whole(*bound)) refuse(line, "a slice by a " + bound->type());
  }
  const std::int64_t stride = step.is_none() ? 1 : *whole(step);
  if (stride == 0 || std::abs(stride) > limits::kTemplateOutput)
    refuse(line, "the step of a slice");
  if (value.list()) {
    Sequence part{.kind = value.is_tuple() ? Sequence::Kind::tuple : value.sequence()->kind};
    for (const std::size_t i : indices(std::ssize(*value.list()), begin, end, stride)) {
      part.items.push_back((*value.list())[i]);
    }
    return Value::of(std::move(part));
  }
  if (!value.text()) refuse(line, "a slice of a " + value.type());
  const std::u32string text = utf8::to_utf32(*value.text());
  std::u32string part;
  for (const std::size_t i : indices(std::ssize(text), begin, end, stride)) part += text[i];
  return Value::of(utf8::from_utf32(part));
}

List items_of(const Value& value, int line) {
  if (value.is_undefined()) return {};
  if (Sequence* const held = value.sequence()) {
    if (held->kind != Sequence::Kind::iterator) return held->items;
    const auto begin = held->items.begin() + static_cast<std::ptrdiff_t>(held->taken);
    held->taken = held->items.size();
    return {begin, held->items.end()};
  }
  List items;
  if (value.dict() && value.dict()->kind == Dict::Kind::mapping) {
    for (const auto& member : value.dict()->members) items.push_back(Value::of(member.first));
    return items;
  }
  if (!value.text()) refuse(line, "a loop over a " + value.type());
  const std::u32string text = utf8::to_utf32(*value.text());
  if (std::ssize(text) > limits::kTemplateItems) refuse(line, "a loop over too long a text");
  for (const char32_t code : text) {
    items.push_back(Value::of(utf8::from_utf32(std::u32string(1, code))));
  }
  return items;
}

}  // namespace instructblip::jinja
