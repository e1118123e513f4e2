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

std::string_view name_of(Sequence::Kind kind) {
  constexpr std::array<std::string_view, 8> kNames = {
      "list", "tuple", "tuple", "range", "dict_keys", "dict_items", "dict_values", "iterator"};
  return kNames.at(static_cast<std::size_t>(kind));
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

Value Value::escaped(std::string value) {
  Value result = of(std::move(value));
  result.is_escaped_ = true;
  return result;
}

Value Value::tuple(List value) {
  return of(Sequence{.kind = Sequence::Kind::tuple, .items = std::move(value)});
}

Value Value::iterator(List value) {
  return of(Sequence{.kind = Sequence::Kind::iterator, .items = std::move(value)});
}

Value Value::of(Sequence value) {
  if (std::ssize(value.items) > limits::kTemplateItems) {
    throw Error(ErrorCode::unsupported, "a list that is too long");
  }
  int depth = 1;
  for (const Value& held : value.items) depth = std::max(depth, depth_around(held));
  Value result = Data(std::make_shared<Sequence>(std::move(value)));
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
  if (sequence()) return sequence()->items.size();
  return dict() ? dict()->members.size() : 1;
}

Sequence* Value::sequence() const {
  const auto* held = std::get_if<std::shared_ptr<Sequence>>(&data_);
  return held ? held->get() : nullptr;
}

const List* Value::list() const {
  const Sequence* held = sequence();
  return held && held->kind <= Sequence::Kind::range ? &held->items : nullptr;
}

bool Value::is_tuple() const {
  const Sequence* held = sequence();
  return held && (held->kind == Sequence::Kind::tuple || held->kind == Sequence::Kind::group);
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
  if (const Sequence* held = sequence()) {
    return held->kind == Sequence::Kind::iterator || !held->items.empty();
  }
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

void Value::append_sequence(const Sequence& sequence, std::string& out) {
  using Kind = Sequence::Kind;
  if (sequence.kind == Kind::iterator || (sequence.kind == Kind::range && sequence.shown.empty())) {
    throw Error(ErrorCode::unsupported, "the printing of an iterator, expected '| list' behind it");
  }
  if (sequence.kind == Kind::range) {
    out += sequence.shown;
    return;
  }
  const bool is_view = sequence.kind > Kind::range;
  const bool is_tuple = sequence.kind == Kind::tuple || sequence.kind == Kind::group;
  if (is_view) out += std::string(name_of(sequence.kind)) + "(";
  out += is_tuple ? '(' : '[';
  for (std::size_t i = 0; i < sequence.items.size(); ++i) {
    if (i > 0) out += ", ";
    sequence.items[i].append_repr(out);
  }
  if (is_tuple && sequence.items.size() == 1) out += ',';
  out += is_tuple ? ')' : ']';
  if (is_view) out += ')';
}

void Value::append_repr(std::string& out) const {
  if (std::ssize(out) > limits::kTemplateOutput) {
    throw Error(ErrorCode::unsupported, "a value too long to print");
  }
  if (is_undefined()) {
    out += "Undefined";
  } else if (is_none()) {
    out += "None";
  } else if (boolean()) {
    out += *boolean() ? "True" : "False";
  } else if (integer()) {
    out += std::to_string(*integer());
  } else if (real()) {
    out += digits_of(*real());
  } else if (text()) {
    out += quoted_text(*text());
  } else if (sequence()) {
    append_sequence(*sequence(), out);
  } else if (dict() && dict()->kind == Dict::Kind::loop) {
    throw Error(ErrorCode::unsupported, "the printing of a loop");
  } else if (dict()) {
    out += dict()->kind == Dict::Kind::name_space ? "<Namespace {" : "{";
    for (std::size_t i = 0; i < dict()->members.size(); ++i) {
      out += (i > 0 ? ", " : "") + quoted_text(dict()->members[i].first) + ": ";
      dict()->members[i].second.append_repr(out);
    }
    out += dict()->kind == Dict::Kind::name_space ? "}>" : "}";
  } else {
    // Python shows where in its memory it stands.
    throw Error(ErrorCode::unsupported, "the printing of the function '" + callable()->name + "'");
  }
}

std::string Value::type() const {
  if (is_undefined()) return "undefined";
  if (is_none()) return "NoneType";
  if (boolean()) return "bool";
  if (integer()) return "int";
  if (real()) return "float";
  if (text()) return "str";
  if (sequence()) return std::string(name_of(sequence()->kind));
  if (dict()) return dict()->kind == Dict::Kind::mapping ? "dict" : "namespace";
  return callable()->macro ? "macro" : "function";
}

bool Value::same(const Sequence& a, const Sequence& b, std::int64_t& steps) {
  using Kind = Sequence::Kind;
  if (&a == &b) return true;
  const auto plain = [](Kind kind) { return kind == Kind::group ? Kind::tuple : kind; };
  if (plain(a.kind) != plain(b.kind) || a.items.size() != b.items.size()) return false;
  if (a.kind == Kind::iterator || a.kind == Kind::values) return false;  // each its own
  const auto equal = [&](const Value& x, const Value& y) { return x.equals(y, steps); };
  if (a.kind != Kind::keys && a.kind != Kind::items) {
    return std::ranges::equal(a.items, b.items, equal);
  }
  return std::ranges::all_of(a.items, [&](const Value& x) {
    return std::ranges::any_of(b.items, [&](const Value& y) { return equal(x, y); });
  });
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
  if (sequence() && other.sequence()) return same(*sequence(), *other.sequence(), steps);
  if (dict() && other.dict()) {
    if (dict() == other.dict()) return true;
    if (dict()->kind != Dict::Kind::mapping) return false;
    if (dict()->members.size() != other.dict()->members.size()) return false;
    return std::ranges::all_of(dict()->members, [&](const auto& member) {
      const Value* found = other.dict()->find(member.first);
      return found != nullptr && found->equals(member.second, steps);
    });
  }
  return (is_none() && other.is_none()) || (is_undefined() && other.is_undefined());
}

std::string quoted_text(std::string_view text) {
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
