// Wall time.
#pragma once

#include <chrono>

namespace instructblip {

class Stopwatch {
 public:
  // Milliseconds since the construction or the last lap.
  double lap_ms() {
    const auto now = Clock::now();
    const std::chrono::duration<double, std::milli> passed = now - start_;
    start_ = now;
    return passed.count();
  }

  // As lap_ms(), and goes on counting from where it began.
  double elapsed_ms() const {
    return std::chrono::duration<double, std::milli>(Clock::now() - start_).count();
  }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
};

}  // namespace instructblip
