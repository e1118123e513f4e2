// How long launches take.
#pragma once

#include <functional>

namespace instructblip::test {

// Microseconds of one call of `launch`, which launches kernels of ours: `calls` calls in a graph,
// the median of 15 launches of it. Throws what CUDA says.
double microseconds_of(const std::function<void(int call)>& launch, int calls);

// Bytes a second that a copy within the device's memory reads and writes.
double copied_bytes_per_second();

}  // namespace instructblip::test
