// The rules of the house that can be read off the shared library, from what `nm -DC` prints.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace instructblip::structure {

// `defined`: nm --defined-only. Names outside instructblip:: that the library would force upon a
// program.
std::vector<std::string> check_exported(std::string_view defined);

// `undefined`: nm --undefined-only. Functions that print or end the process, and are thus not for a
// library.
std::vector<std::string> check_undefined(std::string_view undefined);

}  // namespace instructblip::structure
