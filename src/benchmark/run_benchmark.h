// How the module comes to the benchmark.
#pragma once

#include "instructblip/benchmark.h"

namespace instructblip {

// As benchmark().
BenchmarkReport run_benchmark(const BenchmarkOptions& options);

}  // namespace instructblip
