// The filters by what they work on. Each gives nothing where the name is another's.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "text/jinja/interpreter.h"

namespace instructblip::jinja {

std::optional<Value> filter_list(std::string_view name, const Value& value,
                                 const Arguments& arguments);
std::optional<Value> filter_text(std::string_view name, const Value& value,
                                 const Arguments& arguments);
std::optional<Value> filter_number(std::string_view name, const Value& value,
                                   const Arguments& arguments);

// json.dumps(), with transformers' defaults.
Value to_json(const Value& value, const Arguments& arguments);

[[noreturn]] void refuse_value(std::string_view filter, const Value& value, int line);

}  // namespace instructblip::jinja
