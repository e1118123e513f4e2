// A processor that is taken for less than it is.
#pragma once

#include <string_view>

#include "kernels/machine.h"

namespace instructblip::kernels {

// The variable that names the newest instructions that kernels may use in a process.
inline constexpr const char* kInstructionsVariable = "INSTRUCTBLIP_INSTRUCTIONS";

// A machine without what is newer than `newest`: "portable", which is none of them, "avx2",
// "avx_vnni", "avx512" with BW and VL, "avx512_vnni", "avx512_bf16" or "amx". Throws
// Error(invalid_argument) for anything else.
Machine limited(Machine machine, std::string_view newest);

}  // namespace instructblip::kernels
