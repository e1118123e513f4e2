#include "adapters/wrapped_names.h"

#include <algorithm>
#include <map>

#include "core/errors.h"

namespace instructblip {
namespace {

constexpr std::string_view kPeft = "base_model.model.";

// More modules around a model than anybody writes.
constexpr int kMostLevels = 6;

bool is_wrapper(std::string_view component) {
  return component == "module" || component.starts_with('_');
}

// How often each beginning stands before a name that is known only behind it; "" for names that
// are known as they are.
std::map<std::string_view, std::vector<std::string_view>> by_prefix(
    const std::vector<std::string>& names, const std::function<bool(std::string_view)>& is_known) {
  std::map<std::string_view, std::vector<std::string_view>> groups;
  for (const std::string& name : names) {
    std::size_t begin = 0;
    for (int level = 0; level <= kMostLevels; ++level) {
      if (is_known(std::string_view(name).substr(begin))) {
        groups[std::string_view(name).substr(0, begin)].push_back(name);
        break;
      }
      const std::size_t dot = name.find('.', begin);
      if (dot == std::string::npos) break;
      begin = dot + 1;
    }
  }
  return groups;
}

}  // namespace

std::string without_wrappers(std::string_view name) {
  std::string out;
  while (!name.empty()) {
    if (name.starts_with(kPeft)) {
      name.remove_prefix(kPeft.size());
      continue;
    }
    const std::size_t dot = name.find('.');
    if (dot == std::string_view::npos) break;
    if (!is_wrapper(name.substr(0, dot))) out += name.substr(0, dot + 1);
    name.remove_prefix(dot + 1);
  }
  return out.append(name);
}

std::string outer_prefix(const std::vector<std::string>& names,
                         const std::function<bool(std::string_view)>& is_known,
                         const std::string& file) {
  auto groups = by_prefix(names, is_known);
  const std::vector<std::string_view> bare = std::move(groups[""]);
  groups.erase("");
  if (groups.empty()) return {};
  const std::string_view first = groups.begin()->first;  // in the order of text, the shortest
  const auto lies_behind = [&](std::string_view name) { return name.starts_with(first); };
  // The model is there by its own names: others are no part of it and are reported as such.
  if (!std::ranges::all_of(bare, lies_behind)) return {};
  for (const auto& [prefix, found] : groups) {
    if (prefix.starts_with(first)) continue;
    throw Error(ErrorCode::bad_model,
                printable(file) + ": two models, expected one: " + quote(groups[first].front()) +
                    " and " + quote(found.front()),
                "save the one that counts alone, its names without " +
                    quote(std::string(first) + "*") + " or " + quote(std::string(prefix) + "*"));
  }
  return std::string(first);
}

}  // namespace instructblip
