#include "core/shape.h"

#include <algorithm>

namespace instructblip {

std::string to_string(const Shape& shape) {
  std::string out = "[";
  constexpr std::size_t kShown = 16;  // more than any tensor has; a damaged file may have millions
  for (std::size_t i = 0; i < std::min(shape.size(), kShown); ++i) {
    out += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  }
  if (shape.size() > kShown) out += ", ... " + std::to_string(shape.size()) + " dimensions";
  return out + "]";
}

std::optional<std::int64_t> checked_elements(const Shape& shape) {
  std::int64_t elements = 1;
  for (const std::int64_t size : shape) {
    if (size < 0 || __builtin_mul_overflow(elements, size, &elements)) return std::nullopt;
  }
  return elements;
}

}  // namespace instructblip
