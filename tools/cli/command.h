// A command: what it is called, which options it takes, and what it does.
//
// A new one is a file like tokenize_command.cpp, with a line in commands.cpp and one in
// CMakeLists.txt; parsing, --help and docs/command-line.md follow.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "cli/failure.h"
#include "options/option.h"

namespace instructblip::cli {

using options::Group;
class Session;

// An option by its name, or all of a group.
struct Takes {
  constexpr Takes(Group all_of) : group(all_of) {}       // NOLINT(google-explicit-constructor)
  constexpr Takes(const char* option) : name(option) {}  // NOLINT(google-explicit-constructor)

  std::optional<Group> group;
  std::string_view name;
};

struct Command {
  std::string_view name;
  std::string_view usage;             // the options that one types most
  std::string_view help;              // begins small, without a full stop
  std::span<const Takes> takes;       // out of options::table()
  std::span<const Takes> needs = {};  // which of them must be given
  ExitCode (*execute)(Session& session);
  // Options of its own, which take the place of those with the same name.
  std::span<const options::Option> (*own)() = nullptr;
  std::string_view stray = {};  // the option that an argument without one is the value of
};

// All of them, in the order of help.
std::span<const Command* const> commands();
// Null where there is no such command.
const Command* find_command(std::string_view name);

bool takes(const Command& command, std::string_view option);

// What `command` takes, in the order of help: group by group.
std::vector<const options::Option*> options_of(const Command& command);

}  // namespace instructblip::cli
