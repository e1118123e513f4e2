// What can be called: functions of the environment and methods of Python's values.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "text/jinja/interpreter.h"

namespace instructblip::jinja {

bool is_text_method(std::string_view name);
Value text_method(std::string_view name, const std::string& text, const Arguments& arguments);

// The argument `name` of `of`, which may stand at `place`. Throws Error(unsupported) where it is
// missing.
const Value& required(const Arguments& arguments, std::size_t place, std::string_view name,
                      std::string_view of);

// An argument of what is called `of`, a text or a whole number; refused on `line` where it is
// neither.
std::string text_of(const Value& value, std::string_view of, int line);
std::int64_t integer_of(const Value& value, std::string_view of, int line);

}  // namespace instructblip::jinja
