// An explanation in pieces of JSON.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "instructblip/explain.h"

namespace instructblip {

// A number with six digits; null where it is not finite.
void append_number(double value, std::string& out);

// [numbers, ...].
template <typename Numbers>
void append_numbers(const Numbers& numbers, std::string& out) {
  out += '[';
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (i > 0) out += ',';
    append_number(static_cast<double>(numbers[i]), out);
  }
  out += ']';
}

// "key":
void append_key(std::string_view key, std::string& out);

// ["text", ...].
void append_texts(const std::vector<std::string>& texts, std::string& out);

}  // namespace instructblip
