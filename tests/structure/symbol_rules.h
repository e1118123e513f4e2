// The rules of the house that can be read off the shared library and its objects, from what `nm`
// prints.
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

// `defined`: nm --defined-only of an object that was compiled for an instruction set. Functions and
// data of which the linker keeps one copy for the whole library, perhaps this one: a processor
// without the instructions must never meet it.
std::vector<std::string> check_own_copies(std::string_view defined);

}  // namespace instructblip::structure
