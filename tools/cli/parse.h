// From argv to what is asked for.
#pragma once

#include <span>
#include <string>

#include "cli/options.h"

namespace instructblip::cli {

enum class Action { run_command, help, help_markdown, version };

struct Invocation {
  Action action = Action::run_command;
  const CommandRow* command = nullptr;  // null for help and version of the whole
  Settings settings = {};
};

// `arguments` without the program's name. Throws Failure(usage).
//
// Not a library's parser: `--instruction=` and `--instruction -x` have to give exactly these
// values, an optional value must never swallow the next argument, and all else that is typed must
// be refused by name; around CLI11 that took more code than this.
Invocation parse(std::span<const std::string> arguments);

}  // namespace instructblip::cli
