/// What a model is asked about a scene, and whether its answer is right.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "samples.h"

namespace world {

struct Exam {
  std::vector<Sample> trained;   ///< one of each type that the scene has, in trained templates
  std::vector<Sample> held_out;  ///< the same types in held-out templates, other questions
  std::vector<Sample> new_form;  ///< one question of the held-out form
};

Exam draw_exam(const Scene& scene, std::uint64_t seed, std::uint64_t index);

/// The same of a crowded scene, which is asked about one object at a time only.
Exam draw_crowded_exam(const Scene& scene, std::uint64_t seed, std::uint64_t index);

/// Right or wrong as models/TASK.md says.
bool is_right(const Scene& scene, const Sample& sample, std::string_view answer);

/// The answer equals the expected one, lower-cased and stripped.
bool is_same_wording(std::string_view answer, std::string_view expected);

/// The share of `weights`, of square patches in rows of `across`, that lies on a cell.
double share_on_cell(std::span<const float> weights, int across, int cell);

}  // namespace world
