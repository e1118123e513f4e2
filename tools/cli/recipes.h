// How the InstructBLIP paper's data sets are put to a model and measured: a file for each.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/session.h"

namespace instructblip::cli {

enum class Measure { vqa_accuracy, exact_match, accuracy, mrr, roc_auc, cider };

std::string_view name_of(Measure measure);

struct Recipe {
  std::string name, data;
  bool ranks = false;                    // candidates are ranked; else an answer is generated
  std::string prompt;                    // with {question}, {options} and any other field of a row
  bool cleans = false;                   // a question goes through blip_question()
  Geometry geometry = Geometry::squash;  // with --compat lavis
  GenerationConfig decoding;
  std::vector<std::string> candidates;  // the same for every row; else each has its own
  std::map<std::string, std::vector<std::string>> spellings;
  std::string positive;  // the candidate whose score is that of a curve
  Measure measure = Measure::exact_match;
  nlohmann::ordered_json published;
};

// Names of the recipes that the command has.
std::vector<std::string> recipe_names();

// One of them, or a file of that name. Throws Failure(usage).
Recipe read_recipe(const std::string& name);

}  // namespace instructblip::cli
