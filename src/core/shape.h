// The sizes of a tensor, outermost first.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace instructblip {

using Shape = std::vector<std::int64_t>;

// "[2, 3]".
std::string to_string(const Shape& shape);

// The product of the sizes; none where it does not fit in 63 bits or a size is negative.
std::optional<std::int64_t> checked_elements(const Shape& shape);

}  // namespace instructblip
