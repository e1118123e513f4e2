#include "text/jinja/value.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "core/limits.h"
#include "instructblip/error.h"

namespace instructblip::jinja {
namespace {

// Shortest digits that give the number back, as Python's repr(), whatever the locale.
std::string digits_of(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  const double size = std::abs(value);
  const bool plain = size == 0 || (size >= 1e-4 && size < 1e16);
  std::array<char, 64> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                 plain ? std::chars_format::fixed : std::chars_format::scientific)
                       .ptr;
  std::string text(buffer.data(), end);
  if (plain && text.find('.') == std::string::npos) text += ".0";
  return text;
}

int depth_around(const Value& held) {
  if (held.dict() && held.dict()->kind == Dict::Kind::name_space) {
    throw Error(ErrorCode::unsupported, "a namespace inside of another value");
  }
  if (held.depth() >= limits::kTemplateDepth) {
    throw Error(ErrorCode::unsupported, "values nested too deep");
  }
  return held.depth() + 1;
}

}  // namespace

const Value* Dict::find(std::string_view key) const {
  const auto found =
      std::ranges::find_if(members, [&](const auto& member) { return member.first == key; });
  return found == members.end() ? nullptr : &found->second;
}

void Dict::set(std::string_view key, Value value) {
  for (auto& [name, held] : members) {
    if (name != key) continue;
    held = std::move(value);
    return;
  }
  members.emplace_back(key, std::move(value));
}

Value Value::of(List value) {
  if (std::ssize(value) > limits::kTemplateItems) {
    throw Error(ErrorCode::unsupported, "a list that is too long");
  }
  int depth = 1;
  for (const Value& held : value) depth = std::max(depth, depth_around(held));
  Value result = Data(std::make_shared<const List>(std::move(value)));
  result.depth_ = depth;
  return result;
}

Value Value::of(Dict value) {
  int depth = 1;
  for (const auto& [key, held] : value.members) depth = std::max(depth, depth_around(held));
  Value result = Data(std::make_shared<Dict>(std::move(value)));
  result.depth_ = depth;
  return result;
}

std::size_t Value::size() const {
  if (text()) return text()->size();
  if (list()) return list()->size();
  return dict() ? dict()->members.size() : 1;
}

const List* Value::list() const {
  const auto* held = std::get_if<std::shared_ptr<const List>>(&data_);
  return held ? held->get() : nullptr;
}

Dict* Value::dict() const {
  const auto* held = std::get_if<std::shared_ptr<Dict>>(&data_);
  return held ? held->get() : nullptr;
}

double Value::number() const {
  if (const bool* held = boolean()) return *held ? 1 : 0;
  if (const std::int64_t* held = integer()) return static_cast<double>(*held);
  return *real();
}

bool Value::truth() const {
  if (is_undefined() || is_none()) return false;
  if (is_number()) return number() != 0;
  if (text()) return !text()->empty();
  if (list()) return !list()->empty();
  if (dict()) return dict()->kind != Dict::Kind::mapping || !dict()->members.empty();
  return true;
}

std::string Value::str() const {
  if (is_undefined()) return "";
  return text() ? *text() : repr();
}

std::string Value::repr() const {
  std::string out;
  append_repr(out);
  return out;
}

void Value::append_repr(std::string& out) const {
  if (std::ssize(out) > limits::kTemplateOutput) {
    throw Error(ErrorCode::unsupported, "a value too long to print");
  }
  if (is_undefined()) {
    out += "Undefined";
  } else if (is_none()) {
    out += "None";
  } else if (const bool* held = boolean()) {
    out += *held ? "True" : "False";
  } else if (const std::int64_t* held = integer()) {
    out += std::to_string(*held);
  } else if (const double* held = real()) {
    out += digits_of(*held);
  } else if (text()) {
    out += quoted(*text());
  } else if (list()) {
    out += '[';
    for (std::size_t i = 0; i < list()->size(); ++i) {
      if (i > 0) out += ", ";
      (*list())[i].append_repr(out);
    }
    out += ']';
  } else if (dict()) {
    out += '{';
    for (std::size_t i = 0; i < dict()->members.size(); ++i) {
      out += (i > 0 ? ", " : "") + quoted(dict()->members[i].first) + ": ";
      dict()->members[i].second.append_repr(out);
    }
    out += '}';
  } else {
    out += "<function " + callable()->name + ">";
  }
}

std::string Value::type() const {
  if (is_undefined()) return "undefined";
  if (is_none()) return "NoneType";
  if (boolean()) return "bool";
  if (integer()) return "int";
  if (real()) return "float";
  if (text()) return "str";
  if (list()) return "list";
  return dict() ? "dict" : "function";
}

bool Value::equals(const Value& other) const {
  std::int64_t steps = 0;
  return equals(other, steps);
}

bool Value::equals(const Value& other, std::int64_t& steps) const {
  if (++steps > limits::kTemplateSteps) {
    throw Error(ErrorCode::unsupported, "values too large to compare");
  }
  if (is_number() && other.is_number()) {
    if (integer() && other.integer()) return *integer() == *other.integer();
    return number() == other.number();
  }
  if (text() && other.text()) return *text() == *other.text();
  if (list() && other.list()) {
    return std::ranges::equal(*list(), *other.list(),
                              [&](const Value& a, const Value& b) { return a.equals(b, steps); });
  }
  if (dict() && other.dict()) {
    if (dict() == other.dict()) return true;
    if (dict()->members.size() != other.dict()->members.size()) return false;
    return std::ranges::all_of(dict()->members, [&](const auto& member) {
      const Value* found = other.dict()->find(member.first);
      return found != nullptr && found->equals(member.second, steps);
    });
  }
  return (is_none() && other.is_none()) || (is_undefined() && other.is_undefined());
}

std::string quoted(std::string_view text) {
  const bool has_single = text.find('\'') != std::string_view::npos;
  const char quote = has_single && text.find('"') == std::string_view::npos ? '"' : '\'';
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out(1, quote);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == quote || c == '\\') {
      out += std::string("\\") + c;
    } else if (c == '\n' || c == '\r' || c == '\t') {
      out += c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t";
    } else if (byte < 0x20 || byte == 0x7F) {
      out += std::string("\\x") + kDigits[byte >> 4] + kDigits[byte & 15];
    } else {
      out += c;
    }
  }
  return out + quote;
}

}  // namespace instructblip::jinja
