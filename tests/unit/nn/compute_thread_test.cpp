#include "nn/compute_thread.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/matmul.h>
#include <gtest/gtest.h>

#include <atomic>
#include <new>
#include <thread>
#include <vector>

#include "instructblip/error.h"

namespace instructblip {
namespace {

ErrorCode code_of(nn::ComputeThread& compute, const std::function<void()>& work) {
  try {
    compute.run(work);
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "nothing was thrown";
  return ErrorCode::internal;
}

TEST(ComputeThread, TranslatesWhatItsWorkThrows) {
  nn::ComputeThread compute(1);
  EXPECT_EQ(code_of(compute, [] { throw Error(ErrorCode::deadline, "late"); }),
            ErrorCode::deadline);
  EXPECT_EQ(code_of(compute, [] { throw std::bad_alloc(); }), ErrorCode::out_of_memory);
  EXPECT_EQ(code_of(compute,
                    [] {
                      at::matmul(at::empty({2, 3}), at::empty({2, 3}));
                    }),
            ErrorCode::internal);
  EXPECT_EQ(code_of(compute, [] { at::empty({std::int64_t{1} << 60}); }), ErrorCode::out_of_memory);
  EXPECT_EQ(compute.run([] { return 7; }), 7);  // and goes on
}

TEST(ComputeThread, RunsOneTaskAtATimeForManyCallers) {
  nn::ComputeThread compute(1);
  int running = 0, most = 0, done = 0;  // no atomics: only the one thread touches them
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 8; ++caller) {
    callers.emplace_back([&] {
      for (int i = 0; i < 100; ++i) {
        compute.run([&] {
          most = std::max(most, ++running);
          ++done;
          --running;
        });
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(most, 1);
  EXPECT_EQ(done, 800);
}

}  // namespace
}  // namespace instructblip
