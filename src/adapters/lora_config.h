// adapter_config.json of a PEFT LoRA adapter.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>
#include <utility>
#include <vector>

#include "adapters/lora_pattern.h"
#include "adapters/lora_targets.h"

namespace instructblip {

struct LoraConfig {
  template <typename T>
  using Patterns = std::vector<std::pair<ModulePattern, T>>;  // the first that matches counts

  std::int64_t rank = 8;
  double alpha = 8;
  bool rank_stabilised = false;  // use_rslora: alpha / sqrt(rank) instead of alpha / rank
  bool magnitudes = false;       // use_dora
  Patterns<std::int64_t> ranks;
  Patterns<double> alphas;
  LoraTargets targets;

  std::int64_t rank_of(std::string_view module) const;
  // What B A is multiplied with.
  double scale_of(std::string_view module) const;
};

// Throws Error: not_found, bad_model; unsupported for adapters of other kinds, and for variants of
// LoRA that are no change of the weights, or that start from weights other than the model's.
LoraConfig read_lora_config(const std::filesystem::path& directory);

}  // namespace instructblip
