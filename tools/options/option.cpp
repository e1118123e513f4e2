#include "options/option.h"

#include <algorithm>

namespace instructblip::options {

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
