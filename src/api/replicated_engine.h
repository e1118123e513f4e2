// Several engines that answer as one.
#pragma once

#include <memory>
#include <vector>

#include "api/backend.h"

namespace instructblip {

// One or more engines of the same model. Each request goes to the one with the fewest at hand, and
// to the next where that has no room. Thread-safe, as they are.
std::unique_ptr<Engine::Impl> replicate(std::vector<std::unique_ptr<Engine::Impl>> engines);

}  // namespace instructblip
