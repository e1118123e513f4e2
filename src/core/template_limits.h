// The bounds of limits.h that concern a chat template alone.
#pragma once

#include <cstdint>

namespace instructblip::limits {

// --- a chat template: the longest published ones have some 10,000 bytes
inline constexpr std::int64_t kTemplateBytes = 1 << 20;   // of its source
inline constexpr std::int64_t kTemplateOutput = 4 << 20;  // bytes of any text that it makes
inline constexpr std::int64_t kTemplateSteps = 1 << 17;   // expressions and statements evaluated
inline constexpr std::int64_t kTemplateItems = 1 << 16;   // of one list
inline constexpr int kTemplateDepth = 64;                 // of what stands in one another

}  // namespace instructblip::limits
