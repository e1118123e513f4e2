#include "adapters/lora_targets.h"

#include <algorithm>
#include <charconv>
#include <cstddef>

namespace instructblip {
namespace {

// A text, or an array of texts; none for a key that is missing.
std::vector<std::string> texts(const Json& config, std::string_view key) {
  const auto value = config.find(key);
  if (!value) return {};
  if (value->is_string()) return {value->string()};
  if (!value->is_array()) value->fail("a text or an array of texts");
  std::vector<std::string> items;
  for (const Json& item : value->elements()) items.push_back(item.string());
  return items;
}

bool is_plain(std::string_view text) {
  return text.find_first_of("\\^$*+?.()[]{}|") == std::string_view::npos;
}

// False where it is an expression that is not understood.
bool read_names(const Json& config, std::string_view key, LoraTargets::Names& names) {
  const auto value = config.find(key);
  if (!value) return true;
  if (value->is_string()) {
    names.pattern = ModulePattern::read(value->string());
    return names.pattern.has_value();
  }
  names.ends = texts(config, key);
  return true;
}

std::vector<std::string_view> components_of(std::string_view module) {
  std::vector<std::string_view> components;
  while (true) {
    const std::size_t dot = module.find('.');
    components.push_back(module.substr(0, dot));
    if (dot == std::string_view::npos) return components;
    module.remove_prefix(dot + 1);
  }
}

std::int64_t number_in(std::string_view text) {
  std::int64_t number = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? number : -1;
}

// The numbers between two others of its path that stand behind one of `patterns`, or behind
// anything that is not the first.
std::vector<std::int64_t> layers_of(std::string_view module,
                                    const std::vector<std::string>& patterns) {
  std::vector<std::int64_t> layers;
  const std::vector<std::string_view> components = components_of(module);
  for (std::size_t i = patterns.empty() ? 2 : 1; i + 1 < components.size(); ++i) {
    const std::int64_t number = number_in(components[i]);
    const bool fits =
        patterns.empty() || std::ranges::find(patterns, components[i - 1]) != patterns.end();
    if (number >= 0 && fits) layers.push_back(number);
  }
  return layers;
}

bool ends_in(std::string_view module, std::string_view end) {
  return module.size() > end.size() && module.ends_with(end) &&
         module[module.size() - end.size() - 1] == '.';
}

}  // namespace

bool LoraTargets::Names::match(std::string_view module) const {
  if (pattern) return pattern->matches_whole(module);
  return std::ranges::any_of(
      ends, [&](const std::string& end) { return module == end || ends_in(module, end); });
}

bool LoraTargets::include(std::string_view module, bool is_linear, LayerNumber number) const {
  if (excluded.match(module)) return false;
  const std::vector<std::string_view> path = components_of(module);
  for (const std::string& name : saved) {
    if (std::ranges::find(path, name) != path.end() || ends_in(module, name)) return false;
  }
  if (all_linear) return is_linear;
  if (!modules.match(module)) return false;
  const bool is_exact = std::ranges::find(modules.ends, module) != modules.ends.end();
  if (modules.pattern || is_exact || layers.empty()) return true;
  const std::vector<std::int64_t> found = layers_of(module, layers_pattern);
  const std::size_t counted = number == LayerNumber::first ? 1 : found.size();
  return std::any_of(found.begin(), found.begin() + std::min(counted, found.size()),
                     [&](std::int64_t layer) { return layers.contains(layer); });
}

LoraTargets read_lora_targets(const Json& config) {
  LoraTargets targets;
  targets.saved = texts(config, "modules_to_save");
  const std::string bias = config.string_or("bias", "none");
  targets.biases = bias == "all" || bias == "lora_only";
  const auto modules = config.find("target_modules");
  if (!modules) return targets;
  constexpr std::string_view kAllLinear = "all-linear";
  std::string name = modules->is_string() ? modules->string() : "";
  std::ranges::transform(name, name.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c; });
  targets.all_linear = name == kAllLinear;
  targets.are_known =
      (targets.all_linear || read_names(config, "target_modules", targets.modules)) &&
      read_names(config, "exclude_modules", targets.excluded);
  if (const auto layers = config.find("layers_to_transform")) {
    const std::vector<std::int64_t> numbers =
        layers->is_array() ? layers->integers() : std::vector{layers->integer()};
    targets.layers = {numbers.begin(), numbers.end()};
  }
  targets.layers_pattern = texts(config, "layers_pattern");
  targets.are_known &= std::ranges::all_of(targets.layers_pattern, is_plain);
  if (targets.modules.empty() && !targets.all_linear) targets.are_known = false;
  return targets;
}

}  // namespace instructblip
