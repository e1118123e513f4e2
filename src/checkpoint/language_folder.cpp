#include "checkpoint/language_folder.h"

#include <algorithm>
#include <locale>
#include <sstream>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "checkpoint/config_section.h"
#include "checkpoint/rope_config.h"
#include "checkpoint/text_config.h"
#include "core/errors.h"
#include "core/file.h"
#include "core/json.h"
#include "core/log.h"

namespace instructblip {
namespace {

// A key of the language model's own config.json, its default, and what text_config says.
struct Trait {
  const char* key;
  double fallback, described;
};

std::vector<Trait> traits_of(const T5Config& c) {
  return {{"layer_norm_epsilon", 1e-6, c.layer_norm_eps},
          {"relative_attention_max_distance", 128, static_cast<double>(c.relative_max_distance)}};
}

// Vicuna v1.1, of InstructBLIP, has an epsilon of 1e-6 and Vicuna v1.5, of LLaVA 1.5, one of 1e-5.
std::vector<Trait> traits_of(const LlamaConfig& c) {
  return {{"rms_norm_eps", 1e-6, c.rms_norm_eps}, {"rope_theta", 10000, c.rope_theta}};
}

std::vector<Trait> traits_of(const OptConfig&) { return {}; }

std::string shown(double value) {
  std::ostringstream out;
  out.imbue(std::locale::classic());
  out << value;
  return out.str();
}

std::string shown(const RopeScaling& scaling) {
  const std::string by = " by " + shown(scaling.factor);
  const std::string beyond = " beyond " + std::to_string(scaling.original_positions);
  switch (scaling.type) {
    case RopeScaling::Type::none:
      return "none";
    case RopeScaling::Type::linear:
      return "linear" + by;
    case RopeScaling::Type::dynamic:
      return "dynamic" + by + beyond;
    case RopeScaling::Type::llama3:
      return "llama3" + by + beyond + " (low " + shown(scaling.low_factor) + ", high " +
             shown(scaling.high_factor) + ")";
  }
  return "another";
}

void check_rope(const Json&, const T5Config&) {}
void check_rope(const Json&, const OptConfig&) {}

// With other frequencies the same weights would be another model.
void check_rope(const Json& json, const LlamaConfig& described) {
  const ConfigSection folder(json);
  LlamaConfig own = described;
  own.rope_scaling = {};
  own.max_positions = folder.size("max_position_embeddings", own.max_positions);
  read_rope(folder, writer_of(folder), own);
  if (own.rope_scaling == described.rope_scaling) return;
  throw Error(ErrorCode::bad_model,
              json.where() + ": rope_scaling is " + shown(own.rope_scaling) +
                  ", but text_config says " + shown(described.rope_scaling),
              "give the language model that this checkpoint was trained with");
}

}  // namespace

void check_stands_alone(const TensorStore& tensors, const std::filesystem::path& directory) {
  constexpr std::string_view kElse[] = {"vision_model.", "visual_encoder.", "vision_tower.",
                                        "qformer.",      "Qformer.",        "language_model.",
                                        "mm_projector."};
  for (const TensorEntry& entry : tensors.entries()) {
    // At any level: what training code puts around the names is left out later.
    const std::string name = "." + entry.name;
    const auto is_in = [&](std::string_view part) {
      return name.find("." + std::string(part)) != std::string::npos;
    };
    if (std::ranges::none_of(kElse, is_in)) continue;
    throw Error(ErrorCode::bad_model,
                printable(directory.string()) + ": expected a language model alone, but there is " +
                    quote(entry.name),
                "this is a whole model: give it as the checkpoint, or as an overlay");
  }
}

void warn_of_other_version(const std::filesystem::path& directory, const LanguageConfig& config) {
  const std::string name = directory.lexically_normal().string();
  if (name.find("-delta") != std::string::npos) {
    log_warning(printable(name) +
                ": are these differences to LLaMA's weights? They have to be added to those first");
  }
  if (!is_present(directory / "config.json")) return;
  const Json json = Json::read(directory / "config.json");
  std::visit([&](const auto& c) { check_rope(json, c); }, config);
  for (const Trait& trait : std::visit([](const auto& c) { return traits_of(c); }, config)) {
    const double own = json.number_or(trait.key, trait.fallback);
    if (own == trait.described) continue;
    log_warning(printable((directory / "config.json").string()) + ": " + trait.key + " is " +
                shown(own) + ", but text_config says " + shown(trait.described) +
                ": is this another version of the language model than this checkpoint was trained "
                "with?");
  }
}

}  // namespace instructblip
