#include "cli/help.h"

#include "cli/table.h"

namespace instructblip::cli {
namespace {

// "--early-stopping[=true|false|never]", "--seed N".
std::string spelling(const OptionRow& row) {
  std::string out = row.letter.empty() ? "" : "-" + std::string(row.letter) + ", ";
  out += "--" + std::string(row.name);
  if (row.takes == Takes::value) out += " " + std::string(row.argument);
  if (row.takes == Takes::optional_value) out += "[=" + std::string(row.argument) + "]";
  return out;
}

std::string usage(const CommandRow& command) {
  return "instructblip " + std::string(command.name) + " " + std::string(command.usage);
}

std::string overview() {
  std::vector<std::vector<std::string>> rows;
  for (const CommandRow& command : command_rows()) {
    rows.push_back({"  " + std::string(command.name), std::string(command.help)});
  }
  return "Answers instructions about pictures with InstructBLIP, BLIP-2 and LLaVA checkpoints.\n\n"
         "  " +
         usage(command_rows().front()) + "\n\nCommands:\n" + table(rows) +
         "\ninstructblip COMMAND --help lists the options of a command; --version prints the "
         "version.\n"
         "Exit codes: 0 success, 1 output cannot be written, 2 options or text, 3 some pictures "
         "were\n"
         "passed over (--keep-going), 5 model, 6 image, 7 memory, 130 Ctrl-C.\n";
}

}  // namespace

std::string help_text(const CommandRow* command) {
  if (command == nullptr) return overview();
  std::vector<std::vector<std::string>> rows;
  for (const std::string_view name : command->options) {
    const OptionRow& row = option_row(*command, name);
    rows.push_back({"  " + spelling(row), std::string(row.help)});
  }
  std::string what(command->help);
  what.front() = static_cast<char>(what.front() - 'a' + 'A');
  return what + ".\n\n  " + usage(*command) +
         " [options]\n\nOptions (--name VALUE or --name=VALUE):\n" + table(rows);
}

std::string help_markdown(const CommandRow* command) {
  std::string out = command == nullptr ? "| command | does |\n| --- | --- |\n"
                                       : "| option | meaning |\n| --- | --- |\n";
  const auto cell = [](std::string text) {
    for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2) {
      text.insert(at, "\\");
    }
    return text;
  };
  if (command == nullptr) {
    for (const CommandRow& row : command_rows()) {
      out += "| `" + cell(usage(row)) + "` | " + cell(std::string(row.help)) + " |\n";
    }
    return out;
  }
  for (const std::string_view name : command->options) {
    const OptionRow& row = option_row(*command, name);
    out += "| `" + cell(spelling(row)) + "` | " + cell(std::string(row.help)) + " |\n";
  }
  return out;
}

}  // namespace instructblip::cli
