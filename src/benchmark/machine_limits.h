// What the machine does at best, found out in the process whose stages are measured.
#pragma once

#include <cstdint>

#include "instructblip/benchmark.h"

namespace instructblip {

// Reads memory and multiplies on so many threads, several times, and keeps the best of each in
// `limits`: called again, it only makes them better. `bytes` is the memory that is read, far more
// than caches hold.
void sample_limits(BenchmarkLimits& limits, std::int64_t bytes);

}  // namespace instructblip
