// Options by the names that other programs have for them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "cli/options.h"

namespace instructblip::cli {

// What to do about `typed`, an option that `command` does not have: the option that it is elsewhere
// the name of, or was to be. None where nothing is near.
std::optional<std::string> suggestion(std::string_view typed, const CommandRow& command);

}  // namespace instructblip::cli
