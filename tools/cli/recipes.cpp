#include "cli/recipes.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <type_traits>
#include <utility>

#include "cli/json_object.h"

namespace instructblip::cli {
namespace {

using Object = nlohmann::ordered_json;

struct Embedded {
  std::string_view name, text;
};

constexpr Embedded kRecipes[] = {
#include "recipes.inc"
};

constexpr std::array<std::pair<std::string_view, Measure>, 6> kMeasures = {
    {{"vqa_accuracy", Measure::vqa_accuracy},
     {"exact_match", Measure::exact_match},
     {"accuracy", Measure::accuracy},
     {"mrr", Measure::mrr},
     {"roc_auc", Measure::roc_auc},
     {"cider", Measure::cider}}};

std::string text_of(const std::string& name) {
  const auto found = std::ranges::find(kRecipes, std::string_view(name), &Embedded::name);
  if (found != std::end(kRecipes)) return std::string(found->text);
  std::error_code unknown;
  if (std::filesystem::is_regular_file(name, unknown)) {
    std::ifstream stream(name);
    std::stringstream text;
    text << stream.rdbuf();
    return text.str();
  }
  std::string names;
  for (const std::string& one : recipe_names()) names += (names.empty() ? "" : ", ") + one;
  throw Failure(ExitCode::usage,
                "--recipe: expected one of " + names + ", or a file, got '" + name + "'");
}

Measure measure_of(const std::string& name) {
  for (const auto& [known, measure] : kMeasures) {
    if (known == name) return measure;
  }
  std::string names;
  for (const auto& [known, measure] : kMeasures) {
    names += (names.empty() ? "" : ", ") + std::string(known);
  }
  throw std::invalid_argument("metric: expected one of " + names + ", got '" + name + "'");
}

[[noreturn]] void refuse(const std::string& key, const std::string& expected, const Object& got) {
  throw std::invalid_argument(key + ": expected " + expected + ", got " + got.dump());
}

// What `key` says; `otherwise` where it is not there.
template <class Value>
Value value_of(const Object& file, const std::string& key, const std::string& expected,
               Value otherwise) {
  if (!file.contains(key)) return otherwise;
  if constexpr (std::is_integral_v<Value>) {
    const Object& value = file.at(key);
    const bool fits =
        value.is_number_unsigned()
            ? std::in_range<Value>(value.get<std::uint64_t>())
            : value.is_number_integer() && std::in_range<Value>(value.get<std::int64_t>());
    if (!fits) refuse(key, expected, value);
  }
  try {
    return file.at(key).get<Value>();
  } catch (const Object::exception&) {
    refuse(key, expected, file.at(key));
  }
}

std::string needed(const Object& file, const std::string& key) {
  if (!file.contains(key)) throw std::invalid_argument(key + " is missing, expected a text");
  return value_of<std::string>(file, key, "a text", "");
}

// Whether `key` says `yes`, where it says one of the two, the other one if nothing.
bool says(const Object& file, const std::string& key, const std::string& yes,
          const std::string& no) {
  const auto value = value_of<std::string>(file, key, "a text", no);
  if (value != yes && value != no) refuse(key, '"' + yes + "\" or \"" + no + '"', file.at(key));
  return value == yes;
}

GenerationConfig decoding_of(const Object& options) {
  if (!options.is_object()) refuse("decoding", "an object", options);
  GenerationConfig config;
  for (const auto& [key, value] : options.items()) {
    const auto set = [&, &key = key](auto& option, const std::string& expected) {
      using Value = std::remove_cvref_t<decltype(*option)>;
      option = value_of<Value>(options, key, expected, Value());
    };
    if (key == "num_beams") {
      set(config.num_beams, "a whole number");
    } else if (key == "length_penalty") {
      set(config.length_penalty, "a number");
    } else if (key == "max_new_tokens") {
      set(config.max_new_tokens, "a whole number");
    } else if (key == "min_new_tokens") {
      set(config.min_new_tokens, "a whole number");
    } else if (key == "repetition_penalty") {
      set(config.repetition_penalty, "a number");
    } else {
      throw std::invalid_argument("decoding: unknown option '" + key + "'");
    }
  }
  return config;
}

// A misspelt key would be another measure in silence.
void check_keys(const Object& file) {
  constexpr std::string_view kKnown[] = {"data",      "task",     "prompt",   "prompt_source",
                                         "text",      "geometry", "decoding", "candidates",
                                         "spellings", "positive", "metric",   "published"};
  for (const auto& [key, value] : file.items()) {
    if (std::ranges::find(kKnown, key) != std::end(kKnown)) continue;
    std::string names;
    for (const auto& known : kKnown) names += (names.empty() ? "" : ", ") + std::string(known);
    throw std::invalid_argument("unknown key '" + key + "', expected some of " + names);
  }
}

Recipe recipe_of(const std::string& name, const Object& file) {
  check_keys(file);
  Recipe recipe;
  recipe.name = name;
  recipe.data = value_of<std::string>(file, "data", "a text", "");
  needed(file, "task");
  recipe.ranks = says(file, "task", "rank", "generate");
  recipe.prompt = needed(file, "prompt");
  recipe.cleans = says(file, "text", "question", "as it is");
  if (says(file, "geometry", "crop", "squash")) recipe.geometry = Geometry::crop;
  if (file.contains("decoding")) recipe.decoding = decoding_of(file.at("decoding"));
  recipe.candidates = value_of(file, "candidates", "a list of texts", recipe.candidates);
  recipe.spellings = value_of(file, "spellings", "lists of texts by candidates", recipe.spellings);
  recipe.positive = value_of<std::string>(file, "positive", "a text", "");
  recipe.measure = measure_of(needed(file, "metric"));
  if (file.contains("published")) recipe.published = file.at("published");
  return recipe;
}

}  // namespace

std::string_view name_of(Measure measure) {
  return std::ranges::find(kMeasures, measure, &std::pair<std::string_view, Measure>::second)
      ->first;
}

std::vector<std::string> recipe_names() {
  std::vector<std::string> names;
  for (const Embedded& recipe : kRecipes) names.emplace_back(recipe.name);
  return names;
}

Recipe read_recipe(const std::string& name) {
  try {
    return recipe_of(name, object_of(text_of(name)));
  } catch (const Object::parse_error& fault) {
    throw Failure(ExitCode::usage, "--recipe " + name + ": is not valid JSON from byte " +
                                       std::to_string(fault.byte) + " on");
  } catch (const std::invalid_argument& fault) {
    throw Failure(ExitCode::usage, "--recipe " + name + ": " + fault.what());
  }
}

}  // namespace instructblip::cli
