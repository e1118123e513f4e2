#include <array>
#include <string>

#include "core/boundary.h"
#include "core/errors.h"
#include "instructblip/tasks.h"

namespace instructblip {
namespace {

GenerationConfig beams(double length_penalty, int least, int most, double repetition_penalty = 1) {
  GenerationConfig config;
  config.num_beams = 5;
  config.length_penalty = length_penalty;
  config.min_new_tokens = least;
  config.max_new_tokens = most;
  config.repetition_penalty = repetition_penalty;
  return config;
}

const std::array<Preset, 5>& all_presets() {
  static const std::array<Preset, 5> all = {{
      {"caption",
       "one sentence about a picture: 5 beams and at most 30 new tokens, as LAVIS's captioning "
       "task "
       "has where a recipe names none, with the paper's length penalty of 1",
       beams(1, 1, 30), beams(1, 1, 30)},
      {"vqa",
       "an answer of a few words: 5 beams, length penalty -1, at most 10 new tokens, the paper's "
       "for short answers",
       beams(-1, 1, 10), beams(-1, 1, 10)},
      {"detailed",
       "as much as there is to say: 5 beams, length penalty 1, repetition penalty 1.5, at most 256 "
       "new tokens, the defaults of LAVIS's generate()",
       beams(1, 1, 256, 1.5), beams(1, 1, 256, 1.5)},
      {"paper",
       "the paper's protocol: 5 beams; captions with length penalty 1 and 10 to 80 new tokens, as "
       "the released recipes have, answers with length penalty -1 and at most 10",
       beams(1, 10, 80), beams(-1, 1, 10)},
      {"lavis",
       "LAVIS's tasks: as paper, with repetition penalties 1.15 for captions and 1.5 for answers; "
       "length penalty -1 is its default for T5, for Vicuna it has 0",
       beams(1, 10, 80, 1.15), beams(-1, 1, 10, 1.5)},
  }};
  return all;
}

}  // namespace

std::span<const Preset> presets() {
  return at_boundary([] { return std::span<const Preset>(all_presets()); });
}

const Preset& preset(std::string_view name) {
  return *at_boundary([&] {
    std::string names;
    for (const Preset& one : all_presets()) {
      if (one.name == name) return &one;
      names += (names.empty() ? "" : ", ") + std::string(one.name);
    }
    throw Error(ErrorCode::invalid_argument,
                "preset: expected one of " + names + ", got " + quote(name));
  });
}

}  // namespace instructblip
