// Threads that begin together, or not at all.
#include "core/together.h"

#include <gtest/gtest.h>

#include <atomic>
#include <vector>

#include "support/expect_error.h"
#include "support/little_address_space.h"

namespace instructblip {
namespace {

TEST(Together, EachThreadWorksOnce) {
  std::vector<std::atomic<int>> calls(7);
  run_together(7, [&](int thread) { ++calls[static_cast<std::size_t>(thread)]; });
  for (const std::atomic<int>& count : calls) EXPECT_EQ(count, 1);
}

TEST(Together, MoreThreadsThanTheSystemStartsAreAnErrorAndNoneWorks) {
  std::atomic<int> calls = 0;
  {
    const test::LittleAddressSpace little;
    test::expect_error(ErrorCode::invalid_argument, "which the system starts now, got 4096",
                       [&] { run_together(4096, [&](int) { ++calls; }); });
  }
  EXPECT_EQ(calls, 0);
}

TEST(Together, WhetherThreadsCanBeStartedIsFoundOut) {
  EXPECT_TRUE(can_start(7));
  const test::LittleAddressSpace little;
  EXPECT_FALSE(can_start(4096));
}

}  // namespace
}  // namespace instructblip
