// The arguments of one command, told apart by CLI11; and its help, laid out by CLI11.
//
// CLI11's own conversions and suggestions are not used: it reads "0x10" and "+2" as numbers and a
// comma as the locale has it, and 2.1 suggests nothing. options/argument.h and suggestion.h do.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cli/command.h"

namespace instructblip::cli {

// One thing that was typed.
struct Typed {
  const options::Option* option = nullptr;  // null for an argument that belongs to no option
  std::string text;                         // the value; an argument without an option as it is
  bool has_value = true;                    // false where an option stands alone
};

struct CommandLine {
  std::vector<Typed> typed;          // in order
  std::vector<std::string> unknown;  // options that the command does not have, with their dashes
  std::optional<std::string> open;   // an option at the end whose value is missing
  bool help = false;                 // --help or -h was among them
};

// `arguments` behind the command's name. Values are not looked at.
CommandLine read_command_line(const Command& command, std::span<const std::string> arguments);

// What `instructblip COMMAND --help` prints, at most 80 columns wide.
std::string help_of(const Command& command);

// `text` behind `lead`, from `column` on, in lines of at most 80 columns. A word is never broken.
std::string paragraph(const std::string& lead, std::string_view text, std::size_t column);

}  // namespace instructblip::cli
