// How many threads are worth starting here.
#pragma once

namespace instructblip {

// Physical cores that this process may use: the affinity mask, one hardware thread of each core,
// and no more than the cgroup's CPU quota (rounded up) allows. At least 1.
int usable_cores();

// Whether the system lets this process use the tiles of AMX: it wants to be asked, since a thread
// that uses them takes 8 KiB more of it (Linux, Documentation/arch/x86/xstate.rst).
bool ask_for_tiles();

}  // namespace instructblip
