#include "nn/team.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

namespace instructblip::nn {
namespace {

// Threads beside the one that runs a test, which stand by until it ends.
class Others {
 public:
  Others(Team& team, int count) : team_(team) {
    for (int i = 0; i < count; ++i) {
      threads_.emplace_back([this] { team_.stand_by(); });
    }
  }
  ~Others() {
    team_.close();
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  Team& team_;
  std::vector<std::thread> threads_;
};

// Every task once and within its call, many times over, with pauses that send the others to sleep.
void expect_each_task_once(int others, int calls) {
  Team team;
  const Others threads(team, others);
  for (int call = 0; call < calls; ++call) {
    const std::int64_t count = call % 37;
    std::vector<int> done(static_cast<std::size_t>(count));
    team.run(count, {.grain = call % 3 + 1, .parts = call % 5 + 1},
             [&](std::int64_t first, std::int64_t last) {
               for (std::int64_t i = first; i < last; ++i) ++done[static_cast<std::size_t>(i)];
             });
    ASSERT_EQ(std::ranges::count(done, 1), count) << "call " << call;
    if (call % 500 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

TEST(Team, RunsEachTaskOnce) { expect_each_task_once(1, 20000); }
TEST(Team, RunsEachTaskOnceWithMoreThreadsThanCores) {
  expect_each_task_once(2 * static_cast<int>(std::thread::hardware_concurrency()) + 3, 3000);
}
TEST(Team, RunsAllTasksAlone) { expect_each_task_once(0, 100); }

// Each of two tasks waits for the other, which ends at once where they run beside each other.
TEST(Team, SharesTasksOut) {
  Team team;
  const Others threads(team, 1);
  std::atomic<int> begun = 0;
  team.run(2, {.grain = 1, .parts = 2}, [&](std::int64_t, std::int64_t) {
    ++begun;
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (begun < 2 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    EXPECT_EQ(begun, 2) << "one thread did the work of both";
  });
}

TEST(Team, CutsTasksIntoRangesThatShrinkToTheGrain) {
  Team team;
  std::vector<std::int64_t> lengths;
  team.run(100, {.grain = 3, .parts = 4},
           [&](std::int64_t first, std::int64_t last) { lengths.push_back(last - first); });
  EXPECT_EQ(lengths, (std::vector<std::int64_t>{25, 18, 14, 10, 8, 6, 4, 3, 3, 3, 3, 3}));
}

TEST(Team, ThrowsWhatATaskThrowsAndGoesOn) {
  Team team;
  const Others threads(team, 2);
  for (int i = 0; i < 50; ++i) {
    const auto run = [&] {
      team.run(8, {.grain = 1, .parts = 8}, [](std::int64_t first, std::int64_t) {
        if (first == 5) throw std::runtime_error("task 5");
      });
    };
    EXPECT_THROW(run(), std::runtime_error);
    std::atomic<int> done = 0;
    team.run(8, {.grain = 1, .parts = 8}, [&](std::int64_t, std::int64_t) { ++done; });
    EXPECT_EQ(done, 8);
  }
}

}  // namespace
}  // namespace instructblip::nn
