// A checkpoint in 8 or 4 bits, as one directory of safetensors.
#pragma once

#include <filesystem>

#include "instructblip/quantization.h"

namespace instructblip {

// As quantize().
QuantizeReport quantize_checkpoint(const std::filesystem::path& checkpoint_dir,
                                   const std::filesystem::path& output, const LoadOptions& options,
                                   const QuantizeOptions& how);

}  // namespace instructblip
