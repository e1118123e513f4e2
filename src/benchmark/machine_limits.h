// What the machine does at best, found out in the process whose stages are measured.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <stop_token>

#include "instructblip/benchmark.h"

namespace instructblip {

// Reads memory and multiplies on so many threads, several times, and keeps the best of each in
// `limits`: called again, it only makes them better. `bytes` is the memory that is read, far more
// than caches hold. Nothing more is begun once `stop` is asked. Throws Error(invalid_argument)
// where the system does not start so many threads.
void sample_limits(BenchmarkLimits& limits, std::int64_t bytes, const std::stop_token& stop);

// When a thread worked, by its own look at the clock.
struct TimeAtWork {
  std::chrono::steady_clock::time_point begin, end;
};

// Milliseconds from the first one's beginning to the last one's end; one thread at least.
double ms_of_all(std::span<const TimeAtWork> threads);

}  // namespace instructblip
