#include "adapters/lora_coverage.h"

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "core/errors.h"
#include "core/log.h"

namespace instructblip {
namespace {

constexpr std::string_view kWeight = ".weight";
constexpr std::string_view kBias = ".bias";

std::string_view without(std::string_view name, std::string_view end) {
  return name.substr(0, name.size() - end.size());
}

// Parts of the names of tables, which are no linear layers.
bool is_linear(std::string_view module, const Shape& shape) {
  constexpr std::array<std::string_view, 4> kTables = {"embed", "shared", "relative_attention_bias",
                                                       "lm_head"};
  return shape.size() == 2 && std::ranges::none_of(kTables, [&](std::string_view part) {
           return module.find(part) != module.npos;
         });
}

// A path without its numbers: of the same module in every layer.
std::string kind_of(std::string_view module) {
  std::string kind;
  while (true) {
    const std::size_t dot = module.find('.');
    const std::string_view component = module.substr(0, dot);
    const bool is_number = component.find_first_not_of("0123456789") == component.npos;
    kind += is_number ? std::string(".") : std::string(component) + ".";
    if (dot == std::string_view::npos) return kind;
    module.remove_prefix(dot + 1);
  }
}

// From our names to paths in what peft was given, as the adapter's own changes show them.
class Paths {
 public:
  explicit Paths(std::span<const LoraChange> changes) {
    constexpr std::array<std::string_view, 6> kParts = {
        "language_model.", "vision_tower.",        "vision_model.",
        "qformer.",        "language_projection.", "multi_modal_projector."};
    for (const LoraChange& change : changes) {
      std::string_view path = change.module;
      add(path, without(change.weight, kWeight));
      if (path.starts_with("model.")) path.remove_prefix(6);
      is_whole_ |= std::ranges::any_of(
          kParts, [&](std::string_view part) { return path.starts_with(part); });
    }
  }

  // None for what was not in peft's hands.
  std::optional<std::string> of(std::string_view module) const {
    const std::pair<const std::string, std::string>* found = nullptr;
    for (const auto& row : prefixes_) {
      const bool is_longer = found == nullptr || row.first.size() > found->first.size();
      if (is_longer && module.starts_with(row.first)) found = &row;
    }
    if (found != nullptr) return found->second + std::string(module.substr(found->first.size()));
    return is_whole_ ? std::optional(std::string(module)) : std::nullopt;
  }

 private:
  // What is left of both before their common end.
  void add(std::string_view path, std::string_view ours) {
    std::size_t common = 0;
    while (true) {
      const std::string_view a = path.substr(0, path.size() - common);
      const std::string_view b = ours.substr(0, ours.size() - common);
      if (a.empty() || b.empty()) break;
      const std::size_t dot_a = a.rfind('.') + 1, dot_b = b.rfind('.') + 1;  // 0 without
      if (a.substr(dot_a) != b.substr(dot_b)) break;
      common += a.size() - dot_a + (dot_a > 0 && dot_b > 0 ? 1 : 0);
      if (dot_a > 0 && dot_b > 0) continue;
      prefixes_.emplace(b.substr(0, dot_b), a.substr(0, dot_a));
      return;
    }
    prefixes_.emplace(ours.substr(0, ours.size() - common + (common > 0)),
                      path.substr(0, path.size() - common + (common > 0)));
  }

  std::map<std::string, std::string> prefixes_;
  bool is_whole_ = false;
};

std::string listed(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 3;
  std::string text = std::to_string(names.size()) + (names.size() == 1 ? ": " : ", such as ");
  for (std::size_t i = 0; i < names.size() && i < kShown; ++i) {
    text += (i == 0 ? "" : ", ") + printable(names[i]);
  }
  return text;
}

class Coverage {
 public:
  Coverage(const LoraContent& content, const LoraTargets& targets,
           const WeightLayers::Tensors& tensors)
      : content_(content), targets_(targets), tensors_(tensors), paths_(content.changes) {
    for (const LoraChange& change : content.changes) {
      changed_.insert(change.weight);
      kinds_.insert(kind_of(change.module));
    }
  }

  // Modules of the model that the configuration names.
  std::vector<std::string> missing_changes() const {
    std::vector<std::string> missing;
    for (const auto& [name, tensor] : tensors_) {
      const Shape& shape = tensor.entry.shape;
      if (!name.ends_with(kWeight) || shape.size() < 2 || changed_.contains(name)) continue;
      const std::string_view module = without(name, kWeight);
      const auto path = paths_.of(module);
      if (path && is_expected(*path, is_linear(module, shape))) missing.push_back(*path);
    }
    return missing;
  }

  std::vector<std::string> strange_changes() const {
    std::vector<std::string> strange;
    for (const LoraChange& change : content_.changes) {
      if (!targets_.are_known) break;
      const auto found = tensors_.find(change.weight);
      const bool linear = found != tensors_.end() &&
                          is_linear(without(change.weight, kWeight), found->second.entry.shape);
      if (!targets_.include(change.module, linear, LoraTargets::LayerNumber::any)) {
        strange.push_back(change.module);
      }
    }
    return strange;
  }

  // Tensors of the model inside modules_to_save.
  std::vector<std::string> missing_saved() const {
    return not_held([&](const std::string& name) { return is_saved(name); });
  }

  // Biases of what is changed.
  std::vector<std::string> missing_biases() const {
    return not_held([&](const std::string& name) {
      return targets_.biases && name.ends_with(kBias) &&
             changed_.contains(std::string(without(name, kBias)) + ".weight");
    });
  }

 private:
  // What the configuration says, or where that is not understood, what the other layers have.
  bool is_expected(const std::string& path, bool linear) const {
    return targets_.are_known ? targets_.include(path, linear) : kinds_.contains(kind_of(path));
  }

  bool is_saved(const std::string& name) const {
    const auto path = paths_.of(name);
    return path && std::ranges::any_of(targets_.saved, [&](std::string_view saved) {
             // By the name of LLaVA's own code.
             if (saved == "mm_projector") saved = "multi_modal_projector";
             return ("." + *path).find("." + std::string(saved) + ".") != std::string::npos;
           });
  }

  std::vector<std::string> not_held(const std::function<bool(const std::string&)>& wanted) const {
    std::vector<std::string> missing;
    if (content_.whole == nullptr) return missing;
    for (const auto& [name, tensor] : tensors_) {
      if (!content_.whole->contains(name) && wanted(name)) missing.push_back(name);
    }
    return missing;
  }

  const LoraContent& content_;
  const LoraTargets& targets_;
  const WeightLayers::Tensors& tensors_;
  Paths paths_;
  std::set<std::string, std::less<>> changed_, kinds_;
};

}  // namespace

void check_coverage(const LoraContent& content, const LoraTargets& targets,
                    const WeightLayers::Tensors& tensors) {
  const Coverage coverage(content, targets, tensors);
  const std::vector<std::string> strange = coverage.strange_changes();
  if (!strange.empty()) {
    throw Error(ErrorCode::bad_model,
                content.name + ": changes of modules that its adapter_config.json does not name, " +
                    listed(strange),
                "give it the adapter_config.json of its own training: with this one peft would "
                "leave them out");
  }
  const std::vector<std::string> saved = coverage.missing_saved();
  if (!saved.empty()) {
    throw Error(ErrorCode::bad_model,
                content.name + ": adapter_config.json says that these were trained whole " +
                    "(modules_to_save), but the adapter does not hold them, " + listed(saved),
                "save or copy the adapter once more, with all that was trained");
  }
  const std::vector<std::string> missing = coverage.missing_changes();
  if (!missing.empty()) {
    log_warning(content.name +
                ": the adapter changes fewer modules than its adapter_config.json says; without a "
                "change, as in peft: " +
                listed(missing) + ". Was it saved or copied whole?");
  }
  const std::vector<std::string> biases = coverage.missing_biases();
  if (!biases.empty()) {
    log_warning(content.name +
                ": adapter_config.json says that biases were trained, but the adapter lacks " +
                listed(biases) + ". Was it saved or copied whole?");
  }
}

}  // namespace instructblip
