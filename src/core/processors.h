// How many threads are worth starting here.
#pragma once

namespace instructblip {

// Physical cores that this process may use: the affinity mask, one hardware thread of each core,
// and no more than the cgroup's CPU quota (rounded up) allows. At least 1.
int usable_cores();

}  // namespace instructblip
