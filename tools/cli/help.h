// What --help says and docs/command-line.md repeats.
#pragma once

#include <string>

#include "cli/command.h"

namespace instructblip::cli {

// Help for one command, or for all of them where it is null.
std::string help_text(const Command* command);

// The table of options in docs/command-line.md, or that of commands.
std::string help_markdown(const Command* command);

// The same for programs: an array with an object for each option, or for each command.
std::string help_json(const Command* command);

}  // namespace instructblip::cli
