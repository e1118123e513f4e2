// Any checkpoint that can be loaded, as one directory of safetensors.
#pragma once

#include <filesystem>

#include "instructblip/checkpoint.h"

namespace instructblip {

// As convert().
ConvertReport convert_checkpoint(const std::filesystem::path& checkpoint_dir,
                                 const std::filesystem::path& output, const LoadOptions& options,
                                 const ConvertOptions& how);

}  // namespace instructblip
