#include "nn/runtime.h"

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

ErrorCode code_of(nn::Runtime& runtime, const std::function<void()>& work) {
  try {
    runtime.run(work);
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "nothing was thrown";
  return ErrorCode::internal;
}

TEST(Runtime, TranslatesWhatItsWorkThrows) {
  nn::Runtime runtime;
  EXPECT_EQ(code_of(runtime, [] { throw Error(ErrorCode::deadline, "late"); }),
            ErrorCode::deadline);
  EXPECT_EQ(code_of(runtime, [] { throw std::bad_alloc(); }), ErrorCode::out_of_memory);
  EXPECT_EQ(code_of(runtime,
                    [] {
                      at::matmul(at::empty({2, 3}), at::empty({2, 3}));
                    }),
            ErrorCode::internal);
  EXPECT_EQ(code_of(runtime, [] { at::empty({std::int64_t{1} << 60}); }), ErrorCode::out_of_memory);
  EXPECT_EQ(runtime.run([] { return 7; }), 7);  // and goes on
}

TEST(Runtime, RunsOneTaskAtATimeForManyCallers) {
  nn::Runtime runtime;
  int running = 0, most = 0, done = 0;  // no atomics: only the one thread touches them
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 8; ++caller) {
    callers.emplace_back([&] {
      for (int i = 0; i < 100; ++i) {
        runtime.run([&] {
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
