// Threads that begin together, or not at all.
#include "core/together.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <vector>

#include "support/expect_error.h"

namespace instructblip {
namespace {

TEST(Together, EachThreadWorksOnce) {
  std::vector<std::atomic<int>> calls(7);
  run_together(7, [&](int thread) { ++calls[static_cast<std::size_t>(thread)]; });
  for (const std::atomic<int>& count : calls) EXPECT_EQ(count, 1);
}

// Room for the stacks of a few threads more, until it ends.
class LittleAddressSpace {
 public:
  LittleAddressSpace() {
    rlim_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    ::getrlimit(RLIMIT_AS, &before_);
    const rlimit little{pages * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE)) + (64 << 20),
                        before_.rlim_max};
    ::setrlimit(RLIMIT_AS, &little);
  }
  ~LittleAddressSpace() { ::setrlimit(RLIMIT_AS, &before_); }
  LittleAddressSpace(const LittleAddressSpace&) = delete;
  LittleAddressSpace& operator=(const LittleAddressSpace&) = delete;

 private:
  rlimit before_{};
};

TEST(Together, MoreThreadsThanTheSystemStartsAreAnErrorAndNoneWorks) {
  std::atomic<int> calls = 0;
  {
    const LittleAddressSpace little;
    test::expect_error(ErrorCode::invalid_argument, "which the system starts now, got 4096",
                       [&] { run_together(4096, [&](int) { ++calls; }); });
  }
  EXPECT_EQ(calls, 0);
}

TEST(Together, WhetherThreadsCanBeStartedIsFoundOut) {
  EXPECT_TRUE(can_start(7));
  const LittleAddressSpace little;
  EXPECT_FALSE(can_start(4096));
}

}  // namespace
}  // namespace instructblip
