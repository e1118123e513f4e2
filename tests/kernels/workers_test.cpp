#include "kernels/workers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <latch>
#include <stdexcept>
#include <thread>
#include <vector>

namespace instructblip::kernels {
namespace {

// How often each task was done.
std::vector<int> done_by(Workers& workers, std::int64_t count, std::int64_t grain) {
  std::vector<std::atomic<int>> done(static_cast<std::size_t>(count));
  workers.run(count, grain, [&](std::int64_t first, std::int64_t last) {
    EXPECT_TRUE(last - first >= grain || last == count) << first << " " << last;
    for (std::int64_t i = first; i < last; ++i) ++done[static_cast<std::size_t>(i)];
  });
  return {done.begin(), done.end()};
}

TEST(Workers, DoEachTaskOnce) {
  for (const int threads : {1, 2, 5}) {
    Workers workers(threads);
    for (const std::int64_t count : {0, 1, 2, 7, 1000}) {
      for (const std::int64_t grain : {1, 3, 2000}) {
        const std::vector<int> done = done_by(workers, count, grain);
        EXPECT_TRUE(std::ranges::all_of(done, [](int times) { return times == 1; }))
            << threads << " " << count << " " << grain;
      }
    }
  }
}

// Tasks that wait for one another: nothing but threads of its own for each ends them.
TEST(Workers, WorkAtTheSameTime) {
  constexpr int kThreads = 3;
  Workers workers(kThreads);
  std::latch all(kThreads);
  workers.run(kThreads, 1, [&](std::int64_t first, std::int64_t last) {
    ASSERT_EQ(last, first + 1);
    all.arrive_and_wait();
  });
}

TEST(Workers, ServeSeveralCallersAndTasksThatHandOutTasks) {
  Workers workers(3);
  std::atomic<int> done = 0;
  const auto call = [&] {
    for (int i = 0; i < 50; ++i) {
      workers.run(8, 1, [&](std::int64_t first, std::int64_t last) {
        for (; first < last; ++first) {
          workers.run(4, 1, [&](std::int64_t begin, std::int64_t end) {
            done += static_cast<int>(end - begin);
          });
        }
      });
    }
  };
  std::thread other(call);
  call();
  other.join();
  EXPECT_EQ(done, 2 * 50 * 8 * 4);
}

TEST(Workers, ThrowWhatATaskThrowsWhenAllHaveEnded) {
  Workers workers(3);
  std::atomic<int> running = 0;
  const auto fail = [&] {
    workers.run(100, 1, [&](std::int64_t first, std::int64_t last) {
      ++running;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      --running;
      if (first <= 50 && 50 < last) throw std::runtime_error("one of them");
    });
  };
  EXPECT_THROW(fail(), std::runtime_error);
  EXPECT_EQ(running, 0);
  EXPECT_EQ(done_by(workers, 5, 1), std::vector<int>(5, 1)) << "afterwards";
}

}  // namespace
}  // namespace instructblip::kernels
