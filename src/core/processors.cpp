#include "core/processors.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <set>
#include <string>
#include <thread>
#include <utility>

namespace instructblip {
namespace {

// The hardware threads of the affinity mask, counted by the core that they belong to.
int cores_of_affinity() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (::sched_getaffinity(0, sizeof(allowed), &allowed) != 0) {
    return static_cast<int>(std::thread::hardware_concurrency());
  }
  std::set<std::pair<int, int>> cores;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    const std::string folder = "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/";
    int package = 0;
    int core = cpu;  // where the topology is hidden, each hardware thread counts as a core
    std::ifstream(folder + "physical_package_id") >> package;
    std::ifstream(folder + "core_id") >> core;
    cores.emplace(package, core);
  }
  return static_cast<int>(cores.size());
}

// CPUs' worth of time that the cgroup allows; a large number where there is no quota.
double cgroup_quota() {
  constexpr double kUnlimited = 1e9;
  std::string quota;
  double period = 0;
  if (std::ifstream v2("/sys/fs/cgroup/cpu.max"); v2 >> quota >> period) {
    return quota == "max" || period <= 0 ? kUnlimited : std::atof(quota.c_str()) / period;
  }
  double v1_quota = -1;
  std::ifstream("/sys/fs/cgroup/cpu/cpu.cfs_quota_us") >> v1_quota;
  std::ifstream("/sys/fs/cgroup/cpu/cpu.cfs_period_us") >> period;
  return v1_quota > 0 && period > 0 ? v1_quota / period : kUnlimited;
}

}  // namespace

int usable_cores() {
  const double quota = std::ceil(cgroup_quota());
  const int cores = cores_of_affinity();
  return std::max(1, quota < cores ? static_cast<int>(quota) : cores);
}

bool ask_for_tiles() {
#if defined(__x86_64__) && defined(SYS_arch_prctl)
  constexpr int kAskForFeature = 0x1023, kTileData = 18;
  return ::syscall(SYS_arch_prctl, kAskForFeature, kTileData) == 0;
#else
  return false;
#endif
}

}  // namespace instructblip
