#include "core/processors.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <cstddef>
#include <iterator>
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

// Two holders of half of them share none; once all are held, one more takes what the fewest hold.
TEST(Processors, AreHeldByAsFewAsThereAre) {
  const std::vector<int> all = cpus_of_cores();
  const std::size_t half = all.size() / 2;
  std::vector<int> seen;
  const HeldCpus first(half);
  {
    const HeldCpus second(all.size() - half);
    std::ranges::merge(first.cpus(), second.cpus(), std::back_inserter(seen));
    EXPECT_EQ(seen, all);
    EXPECT_TRUE(std::ranges::is_sorted(second.cpus()));
  }
  const HeldCpus again(all.size() - half);  // as the second has ended
  seen.clear();
  std::ranges::merge(first.cpus(), again.cpus(), std::back_inserter(seen));
  EXPECT_EQ(seen, all);
  const HeldCpus one(1), another(1);
  if (all.size() > 1) EXPECT_NE(one.cpus().front(), another.cpus().front());
  EXPECT_EQ(HeldCpus(all.size() + 1).cpus().size(), all.size());
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
