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
};

}  // namespace instructblip
