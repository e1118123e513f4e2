// How much work something was, whatever else the machine was doing meanwhile.
#pragma once

#include <ctime>

namespace instructblip::test {

// Processor time that this process has used so far, in seconds.
inline double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

}  // namespace instructblip::test
