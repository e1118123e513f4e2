// adapter_config.json of a PEFT LoRA adapter.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace instructblip {

// Which modules of the model a key of rank_pattern or alpha_pattern is for: those whose path ends
// with it, at a dot. peft takes keys as regular expressions; here they may hold names, dots (any
// character, as there), "\." and a leading "^".
class ModulePattern {
 public:
  // None of these: false.
  static bool is_understood(std::string_view key);
  explicit ModulePattern(std::string key) : key_(std::move(key)) {}
  bool matches(std::string_view module) const;

 private:
  std::string key_;
};

struct LoraConfig {
  template <typename T>
  using Patterns = std::vector<std::pair<ModulePattern, T>>;  // the first that matches counts

  std::int64_t rank = 8;
  double alpha = 8;
  bool rank_stabilised = false;  // use_rslora: alpha / sqrt(rank) instead of alpha / rank
  bool magnitudes = false;       // use_dora
  Patterns<std::int64_t> ranks;
  Patterns<double> alphas;

  std::int64_t rank_of(std::string_view module) const;
  // What B A is multiplied with.
  double scale_of(std::string_view module) const;
};

// Throws Error: not_found, bad_model; unsupported for adapters of other kinds, and for variants of
// LoRA that are no change of the weights, or that start from weights other than the model's.
LoraConfig read_lora_config(const std::filesystem::path& directory);

}  // namespace instructblip
