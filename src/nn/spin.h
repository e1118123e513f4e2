// Waiting without sleep, for what is due before a thread could be woken up.
#pragma once

#include <chrono>

namespace instructblip::nn {

// Spins until `condition` holds, `longest` at most; whether it does. The clock is read once for 64
// looks at the condition, which another thread makes true.
template <class Condition>
bool spin_until(std::chrono::microseconds longest, const Condition& condition) {
  constexpr int kLooks = 64;
  const auto end = std::chrono::steady_clock::now() + longest;
  do {
    for (int i = 0; i < kLooks; ++i) {
      if (condition()) return true;
#if defined(__x86_64__)
      __builtin_ia32_pause();
#endif
    }
  } while (std::chrono::steady_clock::now() < end);
  return false;
}

}  // namespace instructblip::nn
