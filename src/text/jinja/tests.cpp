// Tests: what stands behind `is`.
#include <algorithm>
#include <array>
#include <optional>

#include "text/jinja/interpreter.h"
#include "text/jinja/lexer.h"
#include "text/jinja/text_functions.h"

namespace instructblip::jinja {
namespace {

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

bool apply_test(std::string_view name, const Value& value, const Arguments& arguments) {
  if (const auto result = compared(name, value, arguments)) return *result;
  const bool has_places = value.text() || value.list() || value.dict() || value.is_undefined();
  if (name == "defined") return !value.is_undefined();
  if (name == "undefined") return value.is_undefined();
  if (name == "none") return value.is_none();
  if (name == "string") return value.text() != nullptr;
  if (name == "mapping") return value.dict() && value.dict()->kind == Dict::Kind::mapping;
  if (name == "sequence") return has_places;
  if (name == "iterable") return has_places || value.sequence();
  if (name == "number") return value.is_number();
  if (name == "boolean") return value.boolean() != nullptr;
  if (name == "true") return value.boolean() && *value.boolean();
  if (name == "false") return value.boolean() && !*value.boolean();
  if (name == "integer") return value.integer() != nullptr;
  if (name == "float") return value.real() != nullptr;
  if (name == "escaped") return value.is_escaped();
  if (name == "upper" || name == "lower") {
    return is_made_of("is" + std::string(name), value.str(), arguments.line);
  }
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
