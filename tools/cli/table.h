// Aligned columns for people.
#pragma once

#include <string>
#include <vector>

namespace instructblip::cli {

// One line for each row; every column but the last is padded to its widest cell.
std::string table(const std::vector<std::vector<std::string>>& rows);

// `value` with so many digits behind the point, whatever the locale.
std::string fixed(double value, int digits);

}  // namespace instructblip::cli
