// Whether a name is one of a few.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <string_view>

namespace instructblip::jinja {

inline bool among(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::ranges::find(names, name) != names.end();
}

}  // namespace instructblip::jinja
