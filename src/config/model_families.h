// The readers of config.json, one for each family.
#pragma once

#include <filesystem>

#include "config/model_config.h"
#include "core/json.h"

namespace instructblip {

// config.json of `directory`. Throws Error(not_found, bad_model).
Json read_config_file(const std::filesystem::path& directory);

// `root` is config.json of `directory`.
ModelConfig read_instructblip(const Json& root, const std::filesystem::path& directory);
ModelConfig read_instructblip_video(const Json& root, const std::filesystem::path& directory);
ModelConfig read_blip2(const Json& root, const std::filesystem::path& directory);
ModelConfig read_llava(const Json& root, const std::filesystem::path& directory);
ModelConfig read_llava_next(const Json& root, const std::filesystem::path& directory);

}  // namespace instructblip
