// Runs a parsed chat template.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/jinja/ast.h"

namespace instructblip::jinja {

// Arguments of a call, a filter or a test: names are empty where they were given by place.
struct Arguments {
  int line = 1;
  std::vector<Value> values = {};
  std::vector<std::string> names = {};

  // The one at `place` or of that name, or null.
  const Value* find(std::size_t place, std::string_view name) const;
};

// Where a loop keeps what its `changed` was given last: no template can name it.
inline constexpr const char* kLoopMemory = "(changed)";

// Each throws Error(unsupported) where it does not know the name or cannot take the values.
Value apply_filter(std::string_view name, const Value& value, const Arguments& arguments);
bool apply_test(std::string_view name, const Value& value, const Arguments& arguments);
Value call_method(std::string_view name, const Value& self, const Arguments& arguments);
Value call_function(std::string_view name, const Arguments& arguments);
bool is_function(std::string_view name);
// What a method of that name could be called on: "" where there is none.
bool is_method(std::string_view name, const Value& self);

// Operators, as Python's.
Value binary(std::string_view sign, const Value& left, const Value& right, int line);
bool compare(std::string_view sign, const Value& left, const Value& right, int line);
Value subscript(const Value& value, const Value& key);
Value slice(const Value& value, const Value& begin, const Value& end, const Value& step, int line);
// What a loop over it goes through.
List items_of(const Value& value, int line);

// What `body` prints where the variables are those. Throws Error(unsupported), naming the line:
// what is not known, types that do not fit, too many steps, too long a text, and
// raise_exception().
std::string run(const Body& body, std::vector<std::pair<std::string, Value>> variables);

}  // namespace instructblip::jinja
