#include "core/processors.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <thread>
#include <vector>

namespace instructblip {
namespace {

// In a thread of its own: what it may run on is nobody else's.
template <typename Function>
void in_a_thread(const Function& function) {
  std::thread(function).join();
}

TEST(Processors, HaveACoreForEachUsableOne) {
  const std::vector<int> cpus = cpus_of_cores();
  EXPECT_TRUE(std::ranges::is_sorted(cpus));
  EXPECT_EQ(std::ranges::adjacent_find(cpus), cpus.end());
  EXPECT_GE(static_cast<int>(cpus.size()), usable_cores());
}

TEST(Processors, AThreadStaysWhereItIsPut) {
  for (const int cpu : cpus_of_cores()) {
    in_a_thread([cpu] {
      stay_on(cpu);
      EXPECT_EQ(::sched_getcpu(), cpu);
      EXPECT_EQ(cpus_of_cores(), std::vector<int>{cpu});
      EXPECT_EQ(usable_cores(), 1);
    });
  }
}

TEST(Processors, AreThoseOfBeforeWhereTheyAreKept) {
  in_a_thread([] {
    const std::vector<int> before = cpus_of_cores();
    {
      const KeepCpus keep;
      stay_on(before.back());
    }
    EXPECT_EQ(cpus_of_cores(), before);
  });
}

}  // namespace
}  // namespace instructblip
