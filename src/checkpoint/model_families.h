// The readers of config.json, one for each family that has a file of its own.
#pragma once

#include <filesystem>

#include "checkpoint/model_config.h"
#include "core/json.h"

namespace instructblip {

// `root` is config.json of `directory`.
ModelConfig read_llava(const Json& root, const std::filesystem::path& directory);

}  // namespace instructblip
