// From argv to what is asked for.
#pragma once

#include <span>
#include <string>

#include "cli/command.h"
#include "options/settings.h"

namespace instructblip::cli {

enum class Action { run_command, help, help_markdown, help_json, version };

struct Invocation {
  Action action = Action::run_command;
  const Command* command = nullptr;  // null for help and version of the whole
  options::Settings settings = {};
};

// `arguments` without the program's name. Throws Failure(usage): whatever is wrong is refused by
// name, with what may have been meant.
Invocation parse(std::span<const std::string> arguments);

}  // namespace instructblip::cli
