#include "cli/command_line.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <map>
#include <memory>
#include <utility>

namespace instructblip::cli {
namespace {

constexpr std::size_t kColumns = 80, kHelpColumn = 29;

using Known = std::map<const CLI::Option*, const options::Option*>;

// CLI11 2.1 takes "--seed=" for an option that waits for its value, splits "-image" into letters,
// and reads "--" and "++" itself. Here an empty value is one, and what is neither "--name",
// "--name=value" nor "-n" is no option. A NUL, which no argument can hold, hides the difference.
constexpr char kMark = '\0';

std::string marked(const std::string& argument) {
  const bool is_letter = argument.size() == 2 && argument[0] == '-' && argument[1] != '-';
  const bool is_name = argument.size() > 2 && argument.starts_with("--");
  if (!is_name) return is_letter ? argument : kMark + argument;
  const std::size_t equals = argument.find('=');
  if (equals == std::string::npos) return argument;
  return argument.substr(0, equals + 1) + kMark + argument.substr(equals + 1);
}

std::string unmarked(std::string argument) {
  std::erase(argument, kMark);
  return argument;
}

// Groups, the column and the lines of help.
class Layout : public CLI::Formatter {
 public:
  Layout(const Command& command, const Known& known) : command_(command), known_(known) {}

  std::string make_help(const CLI::App* app, std::string /*name*/,
                        CLI::AppFormatMode mode) const override {
    const std::string lead = "  instructblip " + std::string(command_.name);
    return paragraph("", app->get_description(), 0) + "\n" +
           paragraph(lead, std::string(command_.usage) + " [options]", lead.size() + 1) +
           "\nA value stands behind its option: --name VALUE or --name=VALUE.\n\n" +
           make_groups(app, mode);
  }

  std::string make_group(std::string group, bool is_positional,
                         std::vector<const CLI::Option*> all) const override {
    std::string out = group + ":\n";
    for (const CLI::Option* option : all) out += make_option(option, is_positional);
    return out;
  }

  std::string make_option(const CLI::Option* option, bool /*is_positional*/) const override {
    return paragraph("  " + spelling(*known_.at(option)), option->get_description(), kHelpColumn);
  }

 private:
  const Command& command_;
  const Known& known_;
};

// The options of a command as CLI11 has them.
class Parser {
 public:
  explicit Parser(const Command& command) : app_(described(command)) {
    app_.set_help_flag("-h,--help")->group("");
    app_.allow_extras();
    for (const options::Option* option : options_of(command)) add(*option);
    // Whatever stands alone, so that it keeps its place among the options.
    stray_ = app_.add_option("stray", CLI::callback_t())->expected(-1)->group("");
    app_.formatter(std::make_shared<Layout>(command, known_));
  }
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;

  CommandLine read(std::span<const std::string> arguments) {
    std::vector<std::string> from_the_back;
    for (auto at = arguments.rbegin(); at != arguments.rend(); ++at) {
      from_the_back.push_back(marked(*at));
    }
    CommandLine line;
    try {
      app_.parse(std::move(from_the_back));
    } catch (const CLI::CallForHelp&) {
      line.help = true;
      return line;
    } catch (const CLI::ArgumentMismatch&) {  // only the last argument can lack its value
      line.open = arguments.back();
    }
    line.typed = typed();
    for (const std::string& argument : app_.remaining()) line.unknown.push_back(unmarked(argument));
    for (const Typed& typed : line.typed) {
      const bool is_dashed =
          typed.option == nullptr && typed.text.size() > 1 && typed.text[0] == '-';
      if (is_dashed) line.unknown.push_back(typed.text);
    }
    return line;
  }

  std::string help() const { return app_.help(); }

 private:
  static std::string described(const Command& command) {
    std::string what(command.help);
    what.front() = static_cast<char>(what.front() - 'a' + 'A');
    return what + ".";
  }

  void add(const options::Option& option) {
    std::string names = "--" + std::string(option.name);
    if (!option.extras.also.empty()) names += ",--" + std::string(option.extras.also);
    if (option.extras.letter != '\0') names = std::string("-") + option.extras.letter + "," + names;
    const bool may_stand_alone = option.kind == options::Kind::flag || option.extras.stands_alone;
    const std::string help = options::described(option);
    CLI::Option* const added = may_stand_alone ? app_.add_flag(names, help)
                                               : app_.add_option(names, CLI::callback_t(), help);
    // Which of several counts is the table's business.
    added->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
        ->group(std::string(heading_of(option.group)));
    known_[added] = &option;
  }

  std::vector<Typed> typed() const {
    std::vector<Typed> all;
    std::map<const CLI::Option*, std::size_t> seen;
    for (const CLI::Option* option : app_.parse_order()) {
      const std::string text = option->results().at(seen[option]++);
      const auto known = known_.find(option);
      if (known == known_.end() && option != stray_) continue;
      // A flag's value is marked where one was typed, and CLI11's own where none was.
      const bool may_stand_alone = option->get_expected_max() == 0;
      all.push_back({known == known_.end() ? nullptr : known->second, unmarked(text),
                     !may_stand_alone || text.find(kMark) != std::string::npos});
    }
    return all;
  }

  Known known_;
  CLI::App app_;
  CLI::Option* stray_ = nullptr;
};

}  // namespace

CommandLine read_command_line(const Command& command, std::span<const std::string> arguments) {
  return Parser(command).read(arguments);
}

std::string help_of(const Command& command) { return Parser(command).help(); }

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

}  // namespace instructblip::cli
