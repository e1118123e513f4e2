// The lanes of a warp that a mask names wait for each other; the last one does what they came for.
#pragma once

#include "kernels/cuda/emulator/engine.h"

namespace instructblip::emulator {

using MeetingFunction = void (*)(Warp& warp, Meeting& meeting);

// `what` is one literal for one operation. Fails if the mask is wrong, or lanes meet in different
// operations.
void meet(const char* what, std::uint32_t mask, void* operand, MeetingFunction function,
          const Site& where);

}  // namespace instructblip::emulator
