#include "cli/parse.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <system_error>

#include "cli/spellings.h"

namespace instructblip::cli {
namespace {

[[noreturn]] void refuse(const std::string& message, const std::string& hint) {
  throw Failure(ExitCode::usage, message + "\n  hint: " + hint);
}

std::string see_help(const CommandRow* command) {
  const std::string of = command == nullptr ? "" : std::string(command->name) + " ";
  return "instructblip " + of + "--help lists what there is";
}

std::string meant(const std::optional<std::string>& name, const CommandRow* command) {
  return name ? "did you mean " + *name + "?" : see_help(command);
}

// One argument that starts with a dash, taken apart.
struct Typed {
  std::string_view name;                  // with its dashes
  std::optional<std::string_view> value;  // after the first =
};

Typed take_apart(std::string_view argument) {
  const auto equals = argument.find('=');
  if (equals == std::string_view::npos) return {argument, std::nullopt};
  return {argument.substr(0, equals), argument.substr(equals + 1)};
}

bool names(const OptionRow& row, std::string_view typed) {
  if (typed.starts_with("--")) return typed.substr(2) == row.name;
  return !row.letter.empty() && typed.substr(1) == row.letter;
}

[[noreturn]] void refuse_unknown(const Typed& typed, const CommandRow& command) {
  refuse(std::string(command.name) + ": unknown option " + quote(typed.name),
         suggestion(typed.name, command).value_or(see_help(&command)));
}

const OptionRow& find_option(const Typed& typed, const CommandRow& command) {
  for (const std::string_view name : command.options) {
    const OptionRow& row = option_row(command, name);
    if (names(row, typed.name)) return row;
  }
  refuse_unknown(typed, command);
}

// Reads the option at arguments[at], and moves `at` past it and its value.
const OptionRow& read_option(std::span<const std::string> arguments, std::size_t& at,
                             const CommandRow& command, Settings& settings) {
  const Typed typed = take_apart(arguments[at++]);
  const OptionRow& row = find_option(typed, command);
  std::string_view value;
  switch (row.takes) {
    case Takes::nothing:
      if (typed.value) refuse(std::string(typed.name) + " takes no value", see_help(&command));
      break;
    case Takes::optional_value:
      value = typed.value.value_or("true");
      break;
    case Takes::value:
      if (!typed.value && at == arguments.size()) {
        refuse(std::string(typed.name) + ": expected a value",
               std::string(typed.name) + " " + std::string(row.argument));
      }
      value = typed.value ? *typed.value : std::string_view(arguments[at++]);
      break;
  }
  row.set(settings, Argument(typed.name, value));
  return row;
}

bool has(const CommandRow& command, std::string_view option) {
  return std::ranges::find(command.options, option) != command.options.end();
}

// An argument without an option in front of it, which is plainly the value of one.
std::optional<std::string> hint_of_stray(const CommandRow& command, const std::string& argument,
                                         const std::set<std::string_view>& given) {
  namespace fs = std::filesystem;
  std::error_code unknown;
  const auto meant_as = [&](std::string_view option) {
    return "did you mean --" + std::string(option) + " " + argument + "?";
  };
  const bool is_model = fs::exists(fs::path(argument) / "config.json", unknown);
  if (is_model && has(command, "model") && !given.contains("model")) return meant_as("model");
  const bool is_there = !is_model && fs::exists(argument, unknown);
  if (is_there && has(command, "image") && !given.contains("image")) return meant_as("image");
  return std::nullopt;
}

[[noreturn]] void refuse_stray(const CommandRow& command, const std::string& argument,
                               std::string_view option_before,
                               const std::set<std::string_view>& given) {
  if (const auto hint = hint_of_stray(command, argument, given)) {
    refuse(std::string(command.name) + ": unexpected argument " + quote(argument), *hint);
  }
  const bool is_picture = option_before == "image" || option_before == "images-from";
  if (!option_before.empty() && option_row(command, option_before).takes == Takes::optional_value) {
    const std::string option = "--" + std::string(option_before);
    refuse(std::string(command.name) + ": unexpected argument " + quote(argument),
           "a value of " + option + " stands behind an equals sign: " + option + "=" +
               std::string(option_row(command, option_before).argument));
  }
  refuse(std::string(command.name) + ": unexpected argument " + quote(argument),
         is_picture ? "several pictures have an --image each, or stand in a folder, which --image "
                      "takes too, or in a list for --images-from"
                    : "a value stands after its option, and in quotes where it holds spaces");
}

// What a later reader of standard input would find is nothing.
void check_standard_input(const Settings& settings) {
  std::vector<std::string> readers;
  const auto add = [&](const std::string& option, const std::string& value) {
    if (value == "-") readers.push_back("--" + option + " -");
  };
  for (const PictureSource& source : settings.pictures) {
    add(source.kind == PictureSource::Kind::list ? "images-from" : "image", source.value);
  }
  for (const std::string& text : settings.instructions) add("instruction", text);
  for (const std::string& text : settings.texts) add("text", text);
  for (const std::string& text : settings.candidates) add("candidate", text);
  if (readers.size() < 2) return;
  refuse(
      "standard input can be read once, but " + readers[0] + " and " + readers[1] + " both read it",
      "put one of them in a file or on the command line");
}

// What some values mean for other options.
void settle(Settings& settings, const std::set<std::string_view>& given) {
  // LAVIS opens pictures without looking at it.
  if (settings.load.compat == Compat::lavis && !given.contains("exif")) {
    settings.decode.exif = ExifOrientation::ignore;
  }
  // The limit of ever sharper distributions is the best token; the library, as transformers, has no
  // temperature of 0.
  if (settings.generation.temperature == 0.0) {
    settings.generation.temperature = 1.0;
    settings.generation.do_sample = false;
  }
}

Invocation parse_command(const CommandRow& command, std::span<const std::string> arguments) {
  Invocation invocation{.command = &command};
  std::set<std::string_view> given;
  std::string_view last;
  for (std::size_t at = 0; at < arguments.size();) {
    const std::string& argument = arguments[at];
    if (argument == "--help" || argument == "-h") return {Action::help, &command, {}};
    if (!argument.starts_with("-") || argument == "-") {
      refuse_stray(command, argument, last, given);
    }
    last = read_option(arguments, at, command, invocation.settings).name;
    given.insert(last);
  }
  invocation.settings.may_keep_going =
      std::ranges::find(command.options, "keep-going") != command.options.end();
  if (given.contains("images-from")) given.insert("image");
  settle(invocation.settings, given);
  check_standard_input(invocation.settings);
  for (const std::string_view name : command.required) {
    if (given.contains(name)) continue;
    refuse(std::string(command.name) + ": --" + std::string(name) + " is missing",
           "instructblip " + std::string(command.name) + " " + std::string(command.usage));
  }
  return invocation;
}

[[noreturn]] void refuse_command(std::string_view typed) {
  const std::string_view option = take_apart(typed).name;
  const bool is_ours = std::ranges::any_of(command_rows(), [&](const CommandRow& row) {
    return option.starts_with("--") && has(row, option.substr(2));
  });
  if (is_ours) {
    refuse("unexpected option " + quote(option) + " before a command",
           "the command comes first: instructblip run " + std::string(option) + " ...");
  }
  if (typed.starts_with("-")) {
    refuse("unknown option " + quote(typed),
           meant(nearest(typed, {"--help", "--version"}), nullptr));
  }
  std::vector<std::string_view> known = {"help"};
  for (const CommandRow& row : command_rows()) known.push_back(row.name);
  if (typed == "version") refuse("unknown command 'version'", "did you mean --version?");
  refuse("unknown command " + quote(typed), meant(nearest(typed, known), nullptr));
}

// help [--markdown] [COMMAND]
Invocation parse_help(std::span<const std::string> arguments) {
  Invocation invocation{.action = Action::help};
  for (const std::string& argument : arguments) {
    if (argument == "--markdown") {
      invocation.action = Action::help_markdown;
    } else if (invocation.command = find_command(argument); invocation.command == nullptr) {
      refuse_command(argument);
    }
  }
  return invocation;
}

}  // namespace

Invocation parse(std::span<const std::string> arguments) {
  if (arguments.empty()) refuse("no command given", see_help(nullptr));
  const std::string& first = arguments.front();
  if (first == "--version") return {.action = Action::version};
  if (first == "--help" || first == "-h") return {.action = Action::help};
  if (first == "help") return parse_help(arguments.subspan(1));
  if (const CommandRow* command = find_command(first)) {
    return parse_command(*command, arguments.subspan(1));
  }
  refuse_command(first);
}

}  // namespace instructblip::cli
