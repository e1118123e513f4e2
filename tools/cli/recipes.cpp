#include "cli/recipes.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <sstream>

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
  throw std::invalid_argument("metric: unknown, '" + name + "'");
}

GenerationConfig decoding_of(const Object& options) {
  GenerationConfig config;
  for (const auto& [key, value] : options.items()) {
    if (key == "num_beams") {
      config.num_beams = value.get<int>();
    } else if (key == "length_penalty") {
      config.length_penalty = value.get<double>();
    } else if (key == "max_new_tokens") {
      config.max_new_tokens = value.get<int>();
    } else if (key == "min_new_tokens") {
      config.min_new_tokens = value.get<int>();
    } else if (key == "repetition_penalty") {
      config.repetition_penalty = value.get<double>();
    } else {
      throw std::invalid_argument("decoding: unknown option '" + key + "'");
    }
  }
  return config;
}

Recipe recipe_of(const std::string& name, const Object& file) {
  Recipe recipe;
  recipe.name = name;
  recipe.data = file.value("data", "");
  recipe.ranks = file.at("task").get<std::string>() == "rank";
  recipe.prompt = file.at("prompt").get<std::string>();
  recipe.cleans = file.value("text", "") == "question";
  if (file.value("geometry", "") == "crop") recipe.geometry = Geometry::crop;
  if (file.contains("decoding")) recipe.decoding = decoding_of(file.at("decoding"));
  recipe.candidates = file.value("candidates", recipe.candidates);
  recipe.spellings = file.value("spellings", recipe.spellings);
  recipe.positive = file.value("positive", "");
  recipe.measure = measure_of(file.at("metric").get<std::string>());
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
    return recipe_of(name, Object::parse(text_of(name)));
  } catch (const Object::exception& fault) {
    throw Failure(ExitCode::usage, "--recipe " + name + ": " + fault.what());
  } catch (const std::invalid_argument& fault) {
    throw Failure(ExitCode::usage, "--recipe " + name + ": " + fault.what());
  }
}

}  // namespace instructblip::cli
