// What --help says and docs/command-line.md repeats.
#pragma once

#include <string>

#include "cli/options.h"

namespace instructblip::cli {

// Help for one command, or for all of them where it is null.
std::string help_text(const CommandRow* command);

// The table of options in docs/command-line.md.
std::string help_markdown(const CommandRow* command);

}  // namespace instructblip::cli
