// Work that several threads begin at once.
#pragma once

#include <functional>

namespace instructblip {

// Calls work(0) to work(threads - 1), each on a thread of its own, when all of them are there, and
// waits for their ends. Throws Error(invalid_argument) where the system does not start so many;
// none has worked then. `work` throws nothing.
void run_together(int threads, const std::function<void(int)>& work);

// Whether the system starts so many threads beside those that there are, now.
bool can_start(int threads);

}  // namespace instructblip
