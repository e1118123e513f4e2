#include "adapters/lora_config.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "core/errors.h"
#include "core/json.h"
#include "core/limits.h"
#include "core/log.h"

namespace instructblip {
namespace {

[[noreturn]] void refuse(const Json& config, std::string_view key, const std::string& what) {
  throw Error(ErrorCode::unsupported, config.where(key) + ": " + what,
              "merge the adapter into its model with peft (merge_and_unload) and load the result");
}

// Each of them makes an adapter more than a sum onto the weights, or onto other weights.
constexpr std::array<const char*, 9> kRefused = {
    "alora_invocation_tokens", "arrow_config",      "kasa_config",
    "layer_replication",       "monteclora_config", "target_parameters",
    "trainable_token_indices", "use_bdlora",        "use_qalora",
};

bool is_set(const Json& value) {
  if (value.is_boolean()) return value.boolean();
  return !(value.is_array() || value.is_object()) || value.size() > 0;
}

void check_variant(const Json& config) {
  const std::string type = config.string_or("peft_type", "");
  if (type != "LORA") {
    refuse(config, "peft_type", "an adapter of type " + quote(type) + ", expected 'LORA'");
  }
  for (const char* key : kRefused) {
    const auto value = config.find(key);
    if (value && is_set(*value)) refuse(config, key, "a variant of LoRA that is not known here");
  }
  const auto start = config.find("init_lora_weights");
  if (!start || start->is_boolean()) return;
  constexpr std::array<std::string_view, 3> kFromTheModel = {"gaussian", "eva", "orthogonal"};
  const std::string name = start->string();
  if (std::ranges::find(kFromTheModel, name) != kFromTheModel.end()) return;
  refuse(config, "init_lora_weights",
         quote(name) + ": the adapter belongs to weights that were changed before its training");
}

std::int64_t rank_in(const Json& value) { return value.integer(1, limits::kSize); }

// JSON has no way to write what is not finite.
double alpha_in(const Json& value) { return value.number(); }

template <typename T>
LoraConfig::Patterns<T> read_patterns(const Json& config, std::string_view name,
                                      T (*read)(const Json&)) {
  LoraConfig::Patterns<T> patterns;
  const auto section = config.find(name);
  if (!section) return patterns;
  for (const auto& [key, value] : section->members()) {
    auto pattern = ModulePattern::read(key);
    if (!pattern) {
      refuse(config, name,
             "the pattern " + quote(key) +
                 ", expected a regular expression that looks around or "
                 "counts nothing");
    }
    patterns.emplace_back(std::move(*pattern), read(value));
  }
  return patterns;
}

template <typename T>
T value_for(std::string_view module, const LoraConfig::Patterns<T>& patterns, T fallback) {
  for (const auto& [pattern, value] : patterns) {
    if (pattern.matches(module)) return value;
  }
  return fallback;
}

}  // namespace

std::int64_t LoraConfig::rank_of(std::string_view module) const {
  return value_for(module, ranks, rank);
}

double LoraConfig::scale_of(std::string_view module) const {
  const auto divisor = static_cast<double>(rank_of(module));
  return value_for(module, alphas, alpha) / (rank_stabilised ? std::sqrt(divisor) : divisor);
}

LoraConfig read_lora_config(const std::filesystem::path& directory) {
  const Json json = Json::read(directory / "adapter_config.json");
  check_variant(json);
  LoraConfig config;
  if (const auto rank = json.find("r")) config.rank = rank_in(*rank);
  if (const auto alpha = json.find("lora_alpha")) config.alpha = alpha_in(*alpha);
  config.rank_stabilised = json.boolean_or("use_rslora", false);
  config.magnitudes = json.boolean_or("use_dora", false);
  config.ranks = read_patterns<std::int64_t>(json, "rank_pattern", rank_in);
  config.alphas = read_patterns<double>(json, "alpha_pattern", alpha_in);
  config.targets = read_lora_targets(json);
  if (json.boolean_or("fan_in_fan_out", false)) {
    log_warning(json.where("fan_in_fan_out") +
                ": the layers of this model are no Conv1D; taken as false, as peft does");
  }
  return config;
}

}  // namespace instructblip
