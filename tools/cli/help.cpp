#include "cli/help.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

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

constexpr std::size_t kColumns = 80;
constexpr std::size_t kHelpColumn = 29, kCommandColumn = 12;

// Headings, each in front of the options that it is about; those that none names come last.
struct Group {
  std::string_view heading;
  std::vector<std::string_view> options;
};

const std::array<Group, 6>& groups() {
  static const std::array<Group, 6> all = {{
      {"Model",
       {"model", "synthetic", "layers", "language-model", "overlay", "lora", "ignore-unexpected"}},
      {"What is asked",
       {"image", "images-from", "features", "instruction", "text", "candidate", "by", "end-token",
        "stages", "pictures", "prompt", "rows", "new-tokens"}},
      {"How the answer is chosen",
       {"max-new-tokens",
        "min-new-tokens",
        "num-beams",
        "length-penalty",
        "early-stopping",
        "repetition-penalty",
        "no-repeat-ngram-size",
        "bad-words-ids",
        "suppress-tokens",
        "begin-suppress-tokens",
        "num-return-sequences",
        "do-sample",
        "temperature",
        "top-k",
        "top-p",
        "min-p",
        "typical-p",
        "seed",
        "stop",
        "stop-at-tokenizer-eos"}},
      {"Pictures and the reference",
       {"compat", "geometry", "resize", "exif", "background", "max-pixels", "max-side", "max-bytes",
        "interpolate-pos-encoding"}},
      {"Where and how it runs",
       {"dtype", "device", "threads", "cache", "numerics", "deterministic", "kernels", "warm-up",
        "repetitions", "seconds", "read-size"}},
      {"Output", {}},
  }};
  return all;
}

const Group& group_of(std::string_view option) {
  const auto found = std::ranges::find_if(groups(), [&](const Group& group) {
    return std::ranges::find(group.options, option) != group.options.end();
  });
  return found == groups().end() ? groups().back() : *found;
}

// `text` behind `lead`, from `column` on, in lines of at most kColumns. A word is never broken.
std::string paragraph(const std::string& lead, std::string_view text, std::size_t column) {
  std::string out = lead;
  std::size_t at = lead.size();
  if (at > 0 && at + 1 > column) {
    out += "\n";
    at = 0;
  }
  out += std::string(column - at, ' ');
  at = column;
  for (bool first = true; !text.empty(); first = false) {
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(text.size(), word.size() + 1));
    if (!first && at + 1 + word.size() > kColumns) {
      out += "\n" + std::string(column, ' ');
      at = column;
    } else if (!first) {
      out += ' ';
      ++at;
    }
    out += word;
    at += word.size();
  }
  return out + "\n";
}

std::string usage_lines(const CommandRow& command, std::string_view more) {
  const std::string lead = "  instructblip " + std::string(command.name) + " ";
  return paragraph(lead, std::string(command.usage) + std::string(more), lead.size());
}

std::string overview() {
  std::string commands;
  for (const CommandRow& command : command_rows()) {
    commands += paragraph("  " + std::string(command.name), command.help, kCommandColumn);
  }
  return "Answers instructions about pictures with InstructBLIP, BLIP-2 and LLaVA\n"
         "checkpoints.\n\n" +
         usage_lines(command_rows().front(), "") + "\nCommands:\n" + commands +
         "\ninstructblip COMMAND --help lists the options of a command; --version prints\n"
         "the version. Exit codes: 0 success, 1 output cannot be written, 2 options or\n"
         "text, 3 some pictures were passed over (--keep-going), 5 model, 6 image,\n"
         "7 memory, 130 Ctrl-C.\n";
}

}  // namespace

std::string help_text(const CommandRow* command) {
  if (command == nullptr) return overview();
  std::string what(command->help);
  what.front() = static_cast<char>(what.front() - 'a' + 'A');
  std::string out = paragraph("", what + ".", 0) + "\n" + usage_lines(*command, " [options]") +
                    "\nA value stands behind its option: --name VALUE or --name=VALUE.\n";
  for (const Group& group : groups()) {
    std::string options;
    for (const std::string_view name : command->options) {
      if (&group_of(name) != &group) continue;
      const OptionRow& row = option_row(*command, name);
      options += paragraph("  " + spelling(row), row.help, kHelpColumn);
    }
    if (!options.empty()) out += "\n" + std::string(group.heading) + ":\n" + options;
  }
  return out;
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
