#include "core/processors.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace instructblip {
namespace {

// The hardware threads that the calling thread may run on; none where the system does not say.
std::vector<int> allowed_cpus() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  std::vector<int> cpus;
  if (::sched_getaffinity(0, sizeof(allowed), &allowed) != 0) return cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &allowed)) cpus.push_back(cpu);
  }
  return cpus;
}

void allow_cpus(std::span<const int> cpus) noexcept {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  for (const int cpu : cpus) CPU_SET(cpu, &allowed);
  if (!cpus.empty()) ::sched_setaffinity(0, sizeof(allowed), &allowed);
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

std::vector<int> cpus_of_cores() {
  std::set<std::pair<int, int>> cores;
  std::vector<int> first;
  for (const int cpu : allowed_cpus()) {
    const std::string folder = "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/";
    int package = 0;
    int core = cpu;  // where the topology is hidden, each hardware thread counts as a core
    std::ifstream(folder + "physical_package_id") >> package;
    std::ifstream(folder + "core_id") >> core;
    if (cores.emplace(package, core).second) first.push_back(cpu);
  }
  return first;
}

int usable_cores() {
  const double quota = std::ceil(cgroup_quota());
  const std::vector<int> cpus = cpus_of_cores();
  const int cores = cpus.empty() ? static_cast<int>(std::thread::hardware_concurrency())
                                 : static_cast<int>(cpus.size());
  return std::max(1, quota < cores ? static_cast<int>(quota) : cores);
}

void stay_on(int cpu) noexcept { allow_cpus({&cpu, 1}); }

namespace {

std::mutex holders_mutex;
std::map<int, int> holders;  // hardware threads, and how many hold each; with the mutex held

}  // namespace

HeldCpus::HeldCpus(std::size_t count) : cpus_(cpus_of_cores()) {
  const std::lock_guard lock(holders_mutex);
  std::ranges::stable_sort(cpus_, {}, [](int cpu) { return holders[cpu]; });
  cpus_.resize(std::min(cpus_.size(), count));
  std::ranges::sort(cpus_);
  for (const int cpu : cpus_) ++holders[cpu];
}

HeldCpus::~HeldCpus() {
  const std::lock_guard lock(holders_mutex);
  for (const int cpu : cpus_) --holders[cpu];
}

KeepCpus::KeepCpus() : allowed_(allowed_cpus()) {}

KeepCpus::~KeepCpus() { allow_cpus(allowed_); }

bool ask_for_tiles() {
#if defined(__x86_64__) && defined(SYS_arch_prctl)
  constexpr int kAskForFeature = 0x1023, kTileData = 18;
  return ::syscall(SYS_arch_prctl, kAskForFeature, kTileData) == 0;
#else
  return false;
#endif
}

}  // namespace instructblip
