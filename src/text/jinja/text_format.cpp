#include "text/jinja/text_format.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <utility>

#include "core/limits.h"
#include "core/utf8.h"
#include "text/jinja/lexer.h"

namespace instructblip::jinja {
namespace {

// What stands between a '%' or a ':' and the letter of the type.
struct Spec {
  std::string flags = {};
  std::int64_t width = 0;
  std::optional<int> precision = {};
  char type = 's';

  bool has(char flag) const { return flags.find(flag) != std::string::npos; }
};

std::int64_t digits_at(const std::string& text, std::size_t& at, int line) {
  std::int64_t value = 0;
  for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
    value = value * 10 + (text[at] - '0');
    if (value > limits::kTemplateItems) refuse(line, "a width of that many characters");
  }
  return value;
}

std::string in_base(std::int64_t value, int base) {
  std::array<char, 72> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value, base).ptr;
  return {digits.data(), end};
}

std::string upper_ascii(std::string text) {
  for (char& c : text) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return text;
}

// A number with its sign, and zeros in front where they are asked for.
std::string number_text(std::string digits, const Spec& spec) {
  const bool negative = digits.starts_with('-');
  if (negative) digits.erase(0, 1);
  const std::string sign = negative ? "-" : spec.has('+') ? "+" : spec.has(' ') ? " " : "";
  const auto length = static_cast<std::int64_t>(sign.size() + digits.size());
  if (spec.has('0') && !spec.has('-') && length < spec.width) {
    digits.insert(0, static_cast<std::size_t>(spec.width - length), '0');
  }
  return sign + digits;
}

std::string whole_text(const Value& value, const Spec& spec, bool takes_reals, int line) {
  if (!value.is_number() || (value.real() && !takes_reals) ||
      (value.real() && !(std::abs(*value.real()) < 9e18))) {
    refuse(line, std::string("the format ") + spec.type + " of a " + value.type());
  }
  const std::int64_t number =
      value.integer() ? *value.integer() : static_cast<std::int64_t>(value.number());
  const int base = spec.type == 'x' || spec.type == 'X' ? 16 : spec.type == 'o' ? 8 : 10;
  const std::string digits = in_base(number, base);
  return number_text(spec.type == 'X' ? upper_ascii(digits) : digits, spec);
}

std::string cut(const std::string& text, const Spec& spec) {
  if (!spec.precision) return text;
  const std::u32string codes = utf8::to_utf32(text);
  return utf8::from_utf32(
      std::u32string_view(codes).substr(0, static_cast<std::size_t>(*spec.precision)));
}

std::string value_text(const Value& value, const Spec& spec, int line) {
  switch (spec.type) {
    case 's':
      return cut(value.str(), spec);
    case 'r':
      return cut(value.repr(), spec);
    case 'd':
    case 'i':
    case 'u':
      return whole_text(value, spec, /*takes_reals=*/true, line);
    case 'x':
    case 'X':
    case 'o':
      return whole_text(value, spec, /*takes_reals=*/false, line);
    case 'f':
    case 'F':
      if (!value.is_number()) refuse(line, "the format f of a " + value.type());
      return number_text(fixed(value.number(), spec.precision.value_or(6)), spec);
    case 'c':
      if (value.text() && utf8::to_utf32(*value.text()).size() == 1) return *value.text();
      refuse(line, "the format c of a " + value.type());
    default:
      refuse(line, std::string("the format ") + spec.type);
  }
}

// The specification that begins at `at`, up to the letter of its type.
Spec percent_spec(const std::string& text, std::size_t& at, int line) {
  Spec spec;
  while (at < text.size() && std::string_view("-+ 0#").find(text[at]) != std::string_view::npos) {
    spec.flags += text[at++];
  }
  if (spec.has('#')) refuse(line, "the format flag #");
  spec.width = digits_at(text, at, line);
  if (at < text.size() && text[at] == '.') {
    spec.precision = static_cast<int>(digits_at(text, ++at, line));
  }
  if (at == text.size()) refuse(line, "a format without a type");
  spec.type = text[at++];
  return spec;
}

// One value for each conversion, in their order.
class Values {
 public:
  Values(const Value& values, int line) : values_(values), line_(line) {}

  Value next() {
    if (!values_.is_tuple()) {
      if (taken_++ > 0) refuse(line_, "a format of more values than are given");
      return values_;
    }
    if (taken_ == values_.list()->size()) refuse(line_, "a format of more values than are given");
    return (*values_.list())[taken_++];
  }

  Value named(const std::string& name) {
    if (!values_.dict()) refuse(line_, "a format by names of a " + values_.type());
    taken_ = 1;
    return subscript(values_, Value::of(name));
  }

  void finish() const {
    const bool all = values_.is_tuple() ? taken_ == values_.list()->size()
                                        : taken_ > 0 || values_.dict() || values_.list();
    if (!all) refuse(line_, "a format of fewer values than are given");
  }

 private:
  const Value& values_;
  int line_;
  std::size_t taken_ = 0;
};

// [[fill]align][sign][0][width][.precision][type]
std::string with_spec(const Value& value, const std::string& text, int line) {
  const std::u32string codes = utf8::to_utf32(text);
  constexpr std::u32string_view kSides = U"<>^";
  const auto side_at = [&](std::size_t i) {
    return i < codes.size() && kSides.find(codes[i]) != std::u32string_view::npos;
  };
  const bool fills = side_at(1);
  const char32_t fill = fills ? codes[0] : U' ';
  const bool aligned = fills || side_at(0);
  const char side = aligned ? static_cast<char>(codes[fills ? 1 : 0]) : '\0';
  std::string rest = utf8::from_utf32(std::u32string_view(codes).substr(fills     ? 2
                                                                        : aligned ? 1
                                                                                  : 0));
  const std::size_t last = rest.find_last_of("sdxXf");
  const bool typed = last != std::string::npos && last + 1 == rest.size();
  if (!typed) rest += value.text() ? 's' : value.integer() && !rest.empty() ? 'd' : 's';
  if (!typed && value.is_number() && !value.integer() && !text.empty()) {
    refuse(line, "a format of a " + value.type() + " without a type");
  }
  std::size_t at = 0;
  const Spec spec = percent_spec(rest, at, line);
  if (at != rest.size() || spec.has('-')) refuse(line, "the format '" + text + "'");
  const bool is_text = spec.type == 's';
  if (is_text && typed && !value.text()) refuse(line, "the format s of a " + value.type());
  if (is_text && spec.has('0')) refuse(line, "the format '" + text + "'");
  return padded(value_text(value, spec, line), spec.width, fill,
                side != '\0' ? side
                : is_text    ? '<'
                             : '>');
}

}  // namespace

std::string fixed(double value, int digits) {
  if (!std::isfinite(value)) return std::isnan(value) ? "nan" : value < 0 ? "-inf" : "inf";
  std::string text(400 + static_cast<std::size_t>(digits), '\0');
  const auto end =
      std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed, digits)
          .ptr;
  text.resize(static_cast<std::size_t>(end - text.data()));
  return text;
}

std::string padded(const std::string& text, std::int64_t width, char32_t fill, char side) {
  const std::u32string codes = utf8::to_utf32(text);
  const std::int64_t missing = width - std::ssize(codes);
  if (missing <= 0) return text;
  const std::int64_t left = side == '<' ? 0 : side == '>' ? missing : missing / 2;
  const auto filling = [&](std::int64_t count) {
    return std::u32string(static_cast<std::size_t>(count), fill);
  };
  return utf8::from_utf32(filling(left) + codes + filling(missing - left));
}

std::string formatted(const std::string& text, const Value& values, int line) {
  Values given(values, line);
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] != '%') {
      out += text[at++];
      continue;
    }
    if (++at < text.size() && text[at] == '%') {
      out += text[at++];
      continue;
    }
    std::optional<std::string> name;
    if (at < text.size() && text[at] == '(') {
      const std::size_t end = text.find(')', at);
      if (end == std::string::npos) refuse(line, "a format with a name without its end");
      name = text.substr(at + 1, end - at - 1);
      at = end + 1;
    }
    const Spec spec = percent_spec(text, at, line);
    const Value value = name ? given.named(*name) : given.next();
    out += padded(value_text(value, spec, line), spec.width, U' ', spec.has('-') ? '<' : '>');
    if (std::ssize(out) > limits::kTemplateOutput) refuse(line, "a text that is too long");
  }
  given.finish();
  return out;
}

std::string formatted_in_braces(const std::string& text, const Arguments& arguments) {
  const int line = arguments.line;
  std::string out;
  std::size_t next = 0;
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at++];
    if (c != '{' && c != '}') {
      out += c;
      continue;
    }
    if (at < text.size() && text[at] == c) {
      out += text[at++];
      continue;
    }
    const std::size_t end = text.find('}', at);
    if (c == '}' || end == std::string::npos) refuse(line, "'format' of a brace by itself");
    const std::string field = text.substr(at, end - at);
    at = end + 1;
    const std::string name = field.substr(0, field.find(':'));
    const bool counted = name.find_first_not_of("0123456789") == std::string::npos;
    if (name.find_first_of(".[!{") != std::string::npos || name.size() > 100) {
      refuse(line, "'format' of the field '" + field + "'");
    }
    std::size_t place = name.empty() ? next++ : 0;
    if (counted && !name.empty()) place = static_cast<std::size_t>(digits_at(name, place, line));
    const Value* value = counted ? arguments.find(place, {}) : arguments.find(SIZE_MAX, name);
    if (value == nullptr) refuse(line, "'format' of the field '" + field + "', which is not given");
    out +=
        with_spec(*value, field.size() == name.size() ? "" : field.substr(name.size() + 1), line);
    if (std::ssize(out) > limits::kTemplateOutput) refuse(line, "a text that is too long");
  }
  return out;
}

}  // namespace instructblip::jinja
