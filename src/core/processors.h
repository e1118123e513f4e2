// How many threads are worth starting here, and where they stay.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace instructblip {

// Physical cores that this process may use: the affinity mask, one hardware thread of each core,
// and no more than the cgroup's CPU quota (rounded up) allows. At least 1.
int usable_cores();

// A hardware thread of each physical core that the calling thread may run on, in ascending order;
// none where the system does not say.
std::vector<int> cpus_of_cores();

// The calling thread, and those that it starts, run on this hardware thread alone. Nothing where
// the system refuses.
void stay_on(int cpu) noexcept;

// Hardware threads for `count` threads to stay on, each of a core of its own as long as there are
// so many: those that the fewest others of this process hold, until this ends. Thread-safe.
class HeldCpus {
 public:
  explicit HeldCpus(std::size_t count);
  ~HeldCpus();
  HeldCpus(const HeldCpus&) = delete;
  HeldCpus& operator=(const HeldCpus&) = delete;

  std::span<const int> cpus() const { return cpus_; }  // in ascending order; fewer where there are

 private:
  std::vector<int> cpus_;
};

// Where the calling thread may run is as before when this ends.
class KeepCpus {
 public:
  KeepCpus();
  ~KeepCpus();
  KeepCpus(const KeepCpus&) = delete;
  KeepCpus& operator=(const KeepCpus&) = delete;

 private:
  std::vector<int> allowed_;
};

// Whether the system lets this process use the tiles of AMX: it wants to be asked, since a thread
// that uses them takes 8 KiB more of it (Linux, Documentation/arch/x86/xstate.rst).
bool ask_for_tiles();

}  // namespace instructblip
