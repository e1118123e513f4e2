// What may have been meant by a name that there is not.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "options/option.h"

namespace instructblip::options {

// `typed` without dashes in front, in small letters and with - for _: "num-beams" of "--Num_Beams".
std::string plain(std::string_view typed);

// An option by the name that llama.cpp, transformers, LAVIS, LLaVA, vLLM and the like have for it.
struct Spelling {
  std::string_view typed;      // without dashes, and with - for _
  std::string_view option;     // by its name here
  std::string_view note = {};  // how it differs, or what to type
};
std::span<const Spelling> spellings();

// The first spelling `name` of an option among `options`; null where there is none.
const Spelling* named_elsewhere(std::string_view name, std::span<const Option* const> options);

// The name nearest to `typed`, where it is near enough for a slip of the finger.
std::optional<std::string> nearest(std::string_view typed, std::span<const std::string> names);

}  // namespace instructblip::options
