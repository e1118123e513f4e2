/// The version of the headers in use; CMake reads its project version from here.
///
/// Semantic versioning. Covered: everything declared in include/instructblip (not adapters marked
/// experimental), the command line's options, exit codes and JSON fields, and the names of the
/// CMake package and its targets. Not covered: the wording of messages, symbols that are not
/// exported, and floating-point results beyond the documented tolerances.
#pragma once

#include <string_view>

#include "instructblip/export.h"

#define INSTRUCTBLIP_VERSION_MAJOR 0
#define INSTRUCTBLIP_VERSION_MINOR 1
#define INSTRUCTBLIP_VERSION_PATCH 0

namespace instructblip {

/// The version of the library that is linked, "0.1.0".
INSTRUCTBLIP_API std::string_view version() noexcept;

}  // namespace instructblip
