// The modules that a LoRA adapter's configuration says it changes.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/lora_pattern.h"
#include "core/json.h"

namespace instructblip {

struct LoraTargets {
  // Names of modules or of the ends of their paths, or one expression for whole paths.
  struct Names {
    std::vector<std::string> ends;
    std::optional<ModulePattern> pattern;

    bool empty() const { return ends.empty() && !pattern; }
    bool match(std::string_view module) const;
  };

  // False: the configuration does not say, or in a way that is not understood here.
  bool are_known = false;
  bool all_linear = false;  // but for the head
  Names modules, excluded;
  std::set<std::int64_t> layers;            // those of `modules.ends`, where there are any
  std::vector<std::string> layers_pattern;  // what stands before the number of a layer; or anything
  std::vector<std::string> saved;           // modules_to_save: trained whole
  bool biases = false;                      // biases of the changed modules were trained too

  // Which number of a path is that of the layer: the first, or, in older releases of peft, the
  // last.
  enum class LayerNumber { first, any };
  // As peft's check_target_module_exists(). `is_linear`: for all_linear.
  bool include(std::string_view module, bool is_linear,
               LayerNumber number = LayerNumber::first) const;
};

// Throws Error(bad_model) for values of another type.
LoraTargets read_lora_targets(const Json& config);

}  // namespace instructblip
