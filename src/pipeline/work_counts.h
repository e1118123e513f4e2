// How much has been computed.
#pragma once

#include <atomic>
#include <cstdint>

namespace instructblip {

// Counts of what the language model has done: added up on the runtime's thread, read on any.
struct WorkCounts {
  std::atomic<std::int64_t> prompts = 0;
  std::atomic<std::int64_t> prompt_rows = 0;  // positions of all prompts
  std::atomic<std::int64_t> step_rows = 0;    // rows of all later steps
  // Passes that a device has begun ahead (pass_ahead.h), and those of them that were for nobody.
  std::atomic<std::int64_t> passes_ahead = 0, passes_in_vain = 0;
};

}  // namespace instructblip
