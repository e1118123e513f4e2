// Does a LoRA adapter hold all that its configuration says, and nothing else?
#pragma once

#include <set>
#include <span>
#include <string>

#include "adapters/lora_targets.h"
#include "adapters/weight_layers.h"

namespace instructblip {

struct LoraChange {
  std::string module;  // its path in what peft was given
  std::string weight;  // by our names
};

struct LoraContent {
  std::string name;  // the adapter's, for messages
  std::span<const LoraChange> changes;
  // What was saved whole, by our names; null where it cannot be told from the model's own.
  const std::set<std::string>* whole;
};

// Warns of modules that `targets` names and of which the adapter holds nothing: they stay as they
// are, as in peft, which warns too. Throws Error(bad_model) where a part of modules_to_save is not
// there, with which peft fails, and where it holds changes of modules that `targets` does not name,
// which peft leaves out without a word. `tensors` are the model's.
void check_coverage(const LoraContent& content, const LoraTargets& targets,
                    const WeightLayers::Tensors& tensors);

}  // namespace instructblip
