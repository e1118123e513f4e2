#include "options/option.h"

#include <algorithm>

namespace instructblip::options {
namespace {

// The name of the option that sets a field, "num-beams" of "num_beams". Not of a file's: messages
// about files begin with what the caller has called them.
std::optional<std::string_view> option_of(std::string_view field) {
  std::string name(field);
  std::ranges::replace(name, '_', '-');
  for (const std::span<const Option> options :
       {table(), conversion_table(), quantization_table(), benchmark_table()}) {
    for (const Option& option : options) {
      if (option.kind == Kind::path) continue;
      const bool is =
          option.extras.field.empty() ? option.name == name : option.extras.field == field;
      if (is) return option.name;
    }
  }
  return std::nullopt;
}

// Where what begins at `line` ends: a quotation, a word, or a character that is neither.
std::size_t end_of_part(std::string_view line) {
  constexpr std::string_view kWord =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=";
  if (line.front() == '\'' || line.front() == '"') {
    const std::size_t closing = line.find(line.front(), 1);
    return closing == line.npos ? line.size() : closing + 1;
  }
  return std::max<std::size_t>(1, std::min(line.find_first_not_of(kWord), line.size()));
}

// A line that begins with a field, "stop[0]: ", may speak of others, which have underscores.
std::string line_as_typed(std::string_view line) {
  const std::size_t start = std::min(line.find_first_not_of(' '), line.size());
  const std::size_t end = std::min(line.find_first_of(":[", start), line.size());
  const auto first = option_of(line.substr(start, end - start));
  if (!first || line.find(": ", end) == line.npos) return std::string(line);
  std::string typed(line.substr(0, start));
  typed.append("--").append(*first);
  for (line.remove_prefix(end); !line.empty();) {
    const std::string_view part = line.substr(0, end_of_part(line));
    const auto option = part.find('_') == part.npos ? std::nullopt : option_of(part);
    if (option) typed += "--";
    typed += option.value_or(part);
    line.remove_prefix(part.size());
  }
  return typed;
}

}  // namespace

std::string_view heading_of(Group group) {
  switch (group) {
    case Group::model:
      return "Model";
    case Group::request:
      return "What is asked";
    case Group::video:
      return "Videos";
    case Group::answer:
      return "How the answer is chosen";
    case Group::pictures:
      return "Pictures and the reference";
    case Group::running:
      return "Where and how it runs";
    case Group::output:
      return "Output";
  }
  return {};
}

std::string_view name_of(Kind kind) {
  switch (kind) {
    case Kind::flag:
      return "flag";
    case Kind::integer:
      return "integer";
    case Kind::number:
      return "number";
    case Kind::size:
      return "size";
    case Kind::choice:
      return "choice";
    case Kind::text:
      return "text";
    case Kind::path:
      return "path";
    case Kind::ids:
      return "ids";
    case Kind::list:
      return "list";
  }
  return {};
}

const Option* find(std::span<const Option* const> options, std::string_view name) {
  const auto found = std::ranges::find(options, name, &Option::name);
  return found == options.end() ? nullptr : *found;
}

std::string as_typed(std::string_view message) {
  std::string typed;
  while (!message.empty()) {
    const std::size_t end = std::min(message.find('\n'), message.size() - 1) + 1;
    typed += line_as_typed(message.substr(0, end));
    message.remove_prefix(end);
  }
  return typed;
}

std::vector<std::string_view> choices_of(const Option& option) {
  std::vector<std::string_view> choices;
  if (option.kind != Kind::choice) return choices;
  for (std::string_view rest = option.value;;) {
    const std::size_t bar = rest.find('|');
    choices.push_back(rest.substr(0, bar));
    if (bar == std::string_view::npos) return choices;
    rest.remove_prefix(bar + 1);
  }
}

std::string described(const Option& option) {
  std::string text(option.help);
  if (!option.default_value.empty()) text += "; default " + std::string(option.default_value);
  return text;
}

std::string spelling(const Option& option) {
  std::string out;
  if (option.extras.letter != '\0') out = std::string("-") + option.extras.letter + ", ";
  out += "--" + std::string(option.name);
  if (!option.extras.also.empty()) out += ", --" + std::string(option.extras.also);
  const std::string value(option.value);
  if (value.empty()) return out;
  return out + (option.extras.stands_alone ? "[=" + value + "]" : " " + value);
}

}  // namespace instructblip::options
