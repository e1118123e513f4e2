// Settings of a model that LLaVA's own code saved: keys of config.json that begin with "mm_".
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "config/model_config.h"
#include "core/json.h"

namespace instructblip {

// Whether LLaVA's own code wrote this config.json, which then has no sections.
bool is_own_llava(const Json& config);
// The same of the folder's file; false where there is none.
bool is_own_llava(const std::filesystem::path& folder);

// The language model behind a model_type of LLaVA's own code: "mistral" of "llava_mistral".
std::string own_llava_language(const std::string& model_type);

// Holds config.json of `folder`, one of LLaVA's own code, against the checkpoint's, whose settings
// its weights will be computed with. `two_layers`: of the projector that the weights hold, if they
// hold one. Throws Error(bad_model) for the layer and rows of the picture, the kind of the vision
// tower and of the projector, and tiles; warns of what may be another picture.
void check_own_llava(const std::filesystem::path& folder, const std::filesystem::path& checkpoint,
                     const ModelConfig& described, std::optional<bool> two_layers);

}  // namespace instructblip
