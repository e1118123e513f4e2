#include <algorithm>

#include "cli/command.h"

namespace instructblip::cli {

extern const Command kRun, kCaption, kVqa, kQuestion, kAsk, kChat, kRank, kScore, kMatch, kExplain,
    kBatch, kEvaluate, kFeatures, kConvert, kQuantize, kInfo, kTokenize, kDoctor, kBench;

namespace {

constexpr const Command* kCommands[] = {&kRun,   &kCaption,  &kVqa,      &kQuestion, &kAsk,
                                        &kChat,  &kRank,     &kScore,    &kMatch,    &kExplain,
                                        &kBatch, &kEvaluate, &kFeatures, &kConvert,  &kQuantize,
                                        &kInfo,  &kTokenize, &kDoctor,   &kBench};

bool names(const Command& command, const options::Option& option) {
  return std::ranges::any_of(command.takes, [&](const Takes& takes) {
    return takes.group ? *takes.group == option.group : takes.name == option.name;
  });
}

}  // namespace

std::span<const Command* const> commands() { return kCommands; }

const Command* find_command(std::string_view name) {
  const auto found = std::ranges::find(kCommands, name, &Command::name);
  return found == std::end(kCommands) ? nullptr : *found;
}

bool takes(const Command& command, std::string_view option) {
  return options::find(options_of(command), option) != nullptr;
}

std::vector<const options::Option*> options_of(const Command& command) {
  std::vector<const options::Option*> all;
  if (command.own != nullptr) {
    for (const options::Option& option : command.own()) all.push_back(&option);
  }
  const std::size_t own = all.size();
  for (const options::Option& option : options::table()) {
    const bool is_replaced = options::find({all.data(), own}, option.name) != nullptr;
    if (!is_replaced && names(command, option)) all.push_back(&option);
  }
  std::ranges::stable_sort(all, {}, &options::Option::group);
  return all;
}

}  // namespace instructblip::cli
