#include "cli/help.h"

#include <nlohmann/json.hpp>
#include <string_view>

#include "cli/command_line.h"

namespace instructblip::cli {
namespace {

constexpr std::size_t kCommandColumn = 12;

std::string usage(const Command& command) {
  return "instructblip " + std::string(command.name) + " " + std::string(command.usage);
}

std::string overview() {
  std::string list;
  for (const Command* command : commands()) {
    list += paragraph("  " + std::string(command->name), command->help, kCommandColumn);
  }
  const std::string lead = "  instructblip run";
  return "Answers instructions about pictures with InstructBLIP, BLIP-2 and LLaVA\n"
         "checkpoints.\n\n" +
         paragraph(lead, commands().front()->usage, lead.size() + 1) + "\nCommands:\n" + list +
         "\ninstructblip COMMAND --help lists the options of a command; --version prints\n"
         "the version. Exit codes: 0 success, 1 output cannot be written, 2 options or\n"
         "text, 3 some pictures (--keep-going), items or rows failed, 5 model, 6 image,\n"
         "7 memory, 130 Ctrl-C, 143 SIGTERM, 129 SIGHUP.\n";
}

std::string cell(std::string text) {
  for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2) {
    text.insert(at, "\\");
  }
  return text;
}

std::string row(const std::string& code, std::string_view meaning) {
  return "| `" + cell(code) + "` | " + cell(std::string(meaning)) + " |\n";
}

}  // namespace

std::string help_text(const Command* command) {
  return command == nullptr ? overview() : help_of(*command);
}

std::string help_markdown(const Command* command) {
  if (command == nullptr) {
    std::string out = "| command | does |\n| --- | --- |\n";
    for (const Command* each : commands()) out += row(usage(*each), each->help);
    return out;
  }
  std::string out = "| option | meaning |\n| --- | --- |\n";
  for (const options::Option* option : options_of(*command)) {
    out += row(spelling(*option), described(*option));
  }
  return out;
}

std::string help_json(const Command* command) {
  using Object = nlohmann::ordered_json;
  Object all = Object::array();
  if (command == nullptr) {
    for (const Command* each : commands()) {
      all.push_back({{"command", each->name}, {"usage", usage(*each)}, {"help", each->help}});
    }
    return all.dump() + "\n";
  }
  for (const options::Option* option : options_of(*command)) {
    const bool has_default = !option->default_value.empty();
    all.push_back({{"option", option->name},
                   {"group", heading_of(option->group)},
                   {"kind", name_of(option->kind)},
                   {"value", option->value},
                   {"choices", choices_of(*option)},
                   {"default", has_default ? Object(option->default_value) : Object(nullptr)},
                   {"repeats", option->extras.repeats},
                   {"stands_alone", option->extras.stands_alone},
                   {"help", option->help}});
  }
  return all.dump() + "\n";
}

}  // namespace instructblip::cli
