// Settings of generation that nothing here implements.
#pragma once

#include <vector>

#include "config/generation_defaults.h"
#include "config/text_config.h"

namespace instructblip {

// Those of `section` that are switched on, each with the way of generating that reads it. Keys that
// the reference never reads, or that cannot change which tokens are chosen, are not among them.
std::vector<UnfitSetting> unfit_settings(const ConfigSection& section, Writer writer);

// Those that read the ids of the prompt, as far as a model is given ids. The models that are given
// embeddings pass over them, as the reference does with a warning.
std::vector<UnfitSetting> unfit_settings_of_ids(const ConfigSection& section);

}  // namespace instructblip
