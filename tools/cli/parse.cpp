#include "cli/parse.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <system_error>

#include "cli/command_line.h"
#include "options/suggestion.h"

namespace instructblip::cli {
namespace {

using options::Option;
using options::quote;
using options::Settings;
using Given = std::set<std::string_view>;  // names of options
using Options = std::vector<const Option*>;

[[noreturn]] void refuse(const std::string& message, const std::string& hint) {
  throw Failure(ExitCode::usage, message + "\n  hint: " + hint);
}

std::string see_help(const Command* command) {
  const std::string of = command == nullptr ? "" : std::string(command->name) + " ";
  return "instructblip " + of + "--help lists what there is";
}

std::string meant(const std::optional<std::string>& name, const Command* command) {
  return name ? "did you mean " + *name + "?" : see_help(command);
}

// "--seed" of "--seed=7".
std::string_view without_value(std::string_view argument) {
  return argument.substr(0, argument.find('='));
}

// Which commands have the option that this one lacks; empty where none has.
std::string takers_of(std::string_view option) {
  std::string names;
  for (const Command* command : commands()) {
    if (takes(*command, option)) names += (names.empty() ? "" : ", ") + std::string(command->name);
  }
  return names;
}

std::string hint_of_unknown(const Command& command, std::string_view typed) {
  const Options known = options_of(command);
  const std::string name = options::plain(typed);
  if (name == "help" || options::find(known, name) != nullptr) {
    return "did you mean --" + name + "?";
  }
  if (const options::Spelling* elsewhere = options::named_elsewhere(name, known)) {
    const std::string note(elsewhere->note);
    return "did you mean --" + std::string(elsewhere->option) + "?" +
           (note.empty() ? "" : " (" + note + ")");
  }
  if (const std::string takers = takers_of(name); !takers.empty()) {
    return "--" + name + " is an option of " + takers;
  }
  std::vector<std::string> dashed = {"--help"};
  for (const Option* option : known) dashed.push_back("--" + std::string(option->name));
  return meant(options::nearest("--" + name, dashed), &command);
}

[[noreturn]] void refuse_unknown(const Command& command, const std::string& argument) {
  const std::string_view typed = without_value(argument);
  refuse(std::string(command.name) + ": unknown option " + quote(typed),
         hint_of_unknown(command, typed));
}

// An argument without an option in front of it, which is plainly the value of one.
std::optional<std::string> option_of_stray(const Command& command, const std::string& argument,
                                           const Given& given) {
  namespace fs = std::filesystem;
  std::error_code unknown;
  const auto is_open = [&](std::string_view option) {
    return takes(command, option) && !given.contains(option);
  };
  const bool is_model = fs::exists(fs::path(argument) / "config.json", unknown);
  if (is_model && is_open("model")) return "--model";
  if (!is_model && is_open("image") && fs::exists(argument, unknown)) return "--image";
  return std::nullopt;
}

// `before`: the option in front of it, or null.
[[noreturn]] void refuse_stray(const Command& command, const std::string& argument,
                               const Option* before, const Given& given) {
  const std::string message =
      std::string(command.name) + ": unexpected argument " + quote(argument);
  if (const auto option = option_of_stray(command, argument, given)) {
    refuse(message, "did you mean " + *option + " " + argument + "?");
  }
  if (before != nullptr && before->extras.stands_alone) {
    const std::string option = "--" + std::string(before->name);
    refuse(message, "a value of " + option + " stands behind an equals sign: " + option + "=" +
                        std::string(before->value));
  }
  const bool is_picture =
      before != nullptr && (before->name == "image" || before->name == "images-from");
  refuse(message,
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
  for (const options::PictureSource& source : settings.pictures) {
    if (source.kind == options::PictureSource::Kind::video) continue;
    add(source.kind == options::PictureSource::Kind::list ? "images-from" : "image", source.value);
  }
  for (const std::string& text : settings.instructions) add("instruction", text);
  for (const std::string& text : settings.texts) add("text", text);
  for (const std::string& text : settings.candidates) add("candidate", text);
  for (const std::string& text : settings.task.questions) add("question", text);
  for (const std::string& text : settings.task.answers) add("answer", text);
  if (readers.size() < 2) return;
  refuse(
      "standard input can be read once, but " + readers[0] + " and " + readers[1] + " both read it",
      "put one of them in a file or on the command line");
}

// What some values mean for other options.
void settle(Settings& settings, const Given& given) {
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

void set(Settings& settings, const Typed& typed, const Command& command) {
  const std::string name = "--" + std::string(typed.option->name);
  if (typed.has_value && typed.option->kind == options::Kind::flag) {
    refuse(name + " takes no value", see_help(&command));
  }
  typed.option->set(settings, options::Argument(name, typed.text));
}

Given set_all(Settings& settings, const CommandLine& line, const Command& command) {
  Given given;
  const Option* last = nullptr;
  for (const Typed& typed : line.typed) {
    Typed meant = typed;
    if (typed.option == nullptr && !command.stray.empty() && !given.contains(command.stray)) {
      meant.option = options::find(options_of(command), command.stray);
    }
    if (meant.option == nullptr) refuse_stray(command, typed.text, last, given);
    last = meant.option;
    given.insert(last->name);
    set(settings, meant, command);
  }
  if (given.contains("images-from") || given.contains("video")) given.insert("image");
  return given;
}

[[noreturn]] void refuse_open(const Command& command, const std::string& argument) {
  const Options known = options_of(command);
  const Option* const option = options::find(known, options::plain(argument));
  refuse(argument + ": expected a value",
         argument + (option == nullptr ? "" : " " + std::string(option->value)));
}

Invocation parse_command(const Command& command, std::span<const std::string> arguments) {
  const CommandLine line = read_command_line(command, arguments);
  if (line.help) return {Action::help, &command, {}};
  if (!line.unknown.empty()) refuse_unknown(command, line.unknown.front());
  Invocation invocation{.command = &command};
  const Given given = set_all(invocation.settings, line, command);
  if (line.open) refuse_open(command, *line.open);
  settle(invocation.settings, given);
  check_standard_input(invocation.settings);
  for (const Takes& needed : command.needs) {
    if (given.contains(needed.name)) continue;
    refuse(std::string(command.name) + ": --" + std::string(needed.name) + " is missing",
           "instructblip " + std::string(command.name) + " " + std::string(command.usage));
  }
  return invocation;
}

[[noreturn]] void refuse_command(const std::string& typed) {
  const std::string option(without_value(typed));
  if (option.starts_with("--") && !takers_of(option.substr(2)).empty()) {
    refuse("unexpected option " + quote(option) + " before a command",
           "the command comes first: instructblip run " + option + " ...");
  }
  if (typed.starts_with("-")) {
    const std::string known[] = {"--help", "--version"};
    refuse("unknown option " + quote(typed), meant(options::nearest(typed, known), nullptr));
  }
  if (typed == "version") refuse("unknown command 'version'", "did you mean --version?");
  std::vector<std::string> known = {"help"};
  for (const Command* command : commands()) known.emplace_back(command->name);
  refuse("unknown command " + quote(typed), meant(options::nearest(typed, known), nullptr));
}

// help [--markdown|--json] [COMMAND]
Invocation parse_help(std::span<const std::string> arguments) {
  Invocation invocation{.action = Action::help};
  for (const std::string& argument : arguments) {
    if (argument == "--markdown") {
      invocation.action = Action::help_markdown;
    } else if (argument == "--json") {
      invocation.action = Action::help_json;
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
  if (const Command* command = find_command(first)) {
    return during(Stage::request, [&] { return parse_command(*command, arguments.subspan(1)); });
  }
  refuse_command(first);
}

}  // namespace instructblip::cli
