#include "nn/runtime.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <c10/util/Exception.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <new>
#include <thread>
#include <vector>

#include "core/processors.h"
#include "instructblip/error.h"
#include "kernels/paged_attention.h"
#include "nn/product.h"
#include "nn/torch_threads.h"
#include "support/expect_error.h"
#include "support/little_address_space.h"
#include "unit/nn/tensors.h"

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

// LibTorch would wait for ever for a thread that was not started, and OpenMP end the process.
TEST(Runtime, OfMoreThreadsThanTheSystemStartsIsAnError) {
  const test::LittleAddressSpace little;
  test::expect_error(ErrorCode::invalid_argument,
                     "threads: expected as many as the system starts now, got 512",
                     [] { nn::Runtime(512); });
}

TEST(Runtime, SaysThatADeviceFails) {
  nn::Runtime runtime;
  const auto code_for = [&](std::int32_t code) {
    return code_of(runtime, [code] {
      throw c10::AcceleratorError({__func__, __FILE__, 1}, code, "CUDA error: x");
    });
  };
  EXPECT_EQ(code_for(2), ErrorCode::out_of_memory);
  EXPECT_EQ(code_for(700), ErrorCode::unsupported);
}

// Notes the thread on which it ends.
struct Ending {
  std::promise<std::thread::id> where;
  ~Ending() { where.set_value(std::this_thread::get_id()); }
};

TEST(Runtime, EndsWhatIsLeftToItOnItsThread) {
  nn::Runtime runtime;
  const auto thread = runtime.run([] { return std::this_thread::get_id(); });
  for (int i = 0; i < 2; ++i) {
    auto ending = std::make_shared<Ending>();
    auto where = ending->where.get_future();
    runtime.leave(std::move(ending));
    if (i == 1) runtime.run([] {});  // or without a task
    EXPECT_EQ(where.get(), thread);
  }
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

// Each of two tasks waits for the other, which ends at once where they run beside each other.
TEST(Runtime, SharesTasksOutAmongItsThreads) {
  nn::Runtime runtime(2);
  std::atomic<int> begun = 0;
  std::atomic<bool> alone = false;
  runtime.run([&] {
    runtime.queue().run(2, 1, [&](std::int64_t, std::int64_t) {
      ++begun;
      const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
      while (begun < 2 && !alone) {
        std::this_thread::yield();
        if (std::chrono::steady_clock::now() > end) alone = true;
      }
    });
  });
  EXPECT_EQ(begun, 2);
  EXPECT_FALSE(alone) << "one thread did the work of both";
}

// The same within a step, whose tasks go to threads that stand by.
TEST(Runtime, SharesTheTasksOfAStepOut) {
  nn::Runtime runtime(2, nn::Numerics::fast);
  std::atomic<int> begun = 0;
  const at::Tensor result = runtime.run([&] {
    at::Tensor product;
    runtime.step(1, [&] {
      EXPECT_TRUE(at::in_parallel_region());  // one, and none for each of what follows
      for (int i = 0; i < 100; ++i) {
        begun = 0;
        runtime.queue().run(2, 1, [&](std::int64_t, std::int64_t) {
          ++begun;
          const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
          while (begun < 2 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
          EXPECT_EQ(begun, 2) << "one thread did the work of both";
        });
      }
      runtime.step(1, [&] { product = at::matmul(at::ones({3, 4}), at::ones({4, 2})); });
    });
    EXPECT_FALSE(at::in_parallel_region());
    runtime.step(33, [] { EXPECT_FALSE(at::in_parallel_region()); });
    return product;
  });
  EXPECT_EQ(result.sum().item<float>(), 24.0f);
}

// Tasks that wait for one another run on as many threads, each on the core that it was given.
TEST(Runtime, KeepsItsThreadsOnCoresOfTheirOwn) {
  const std::vector<int> cpus = cpus_of_cores();
  nn::Runtime runtime(static_cast<int>(cpus.size()));
  std::vector<int> seen(cpus.size());
  runtime.stay_on(std::make_shared<const HeldCpus>(cpus.size()));
  runtime.run([&] {
    std::atomic<std::size_t> begun = 0;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    runtime.queue().run(std::ssize(cpus), 1, [&](std::int64_t first, std::int64_t last) {
      seen[static_cast<std::size_t>(first)] = ::sched_getcpu();
      begun += static_cast<std::size_t>(last - first);
      while (begun < cpus.size() && std::chrono::steady_clock::now() < deadline) {
        std::this_thread::yield();
      }
    });
  });
  std::ranges::sort(seen);
  EXPECT_EQ(seen, cpus);
  EXPECT_EQ(cpus_of_cores(), cpus);  // the asking thread goes where it likes
}

TEST(Runtime, GoesOnBehindAStepThatFails) {
  nn::Runtime runtime(2, nn::Numerics::fast);
  const auto fail = [&] { runtime.step(1, [] { throw Error(ErrorCode::deadline, "late"); }); };
  EXPECT_EQ(code_of(runtime, fail), ErrorCode::deadline);
  std::int64_t size = 0;
  runtime.run([&] { runtime.step(1, [&] { size = at::ones({2}).size(0); }); });
  EXPECT_EQ(size, 2);
}

TEST(Runtime, TakesTheKernelThatIsForced) {
  const kernels::PagedAttentionProblem problem{
      .rows = 1, .query_heads = 2, .key_heads = 2, .width = 4, .shared = 3};
  const auto name_in = [&](const nn::Runtime& runtime) {
    return runtime.kernel(kernels::paged_attention_kernels(), problem).name;
  };
  const nn::Runtime plain, forced(1, nn::Numerics::reference,
                                  kernels::Choice::parse("paged_attention=reference", "kernels"));
  EXPECT_FALSE(plain.forces(kernels::paged_attention_kernels()));
  EXPECT_NE(name_in(plain), "reference");
  EXPECT_TRUE(forced.forces(kernels::paged_attention_kernels()));
  EXPECT_EQ(name_in(forced), "reference");
}

// A composition of ATen's gives way to a kernel that is forced.
TEST(Runtime, AForcedProductIsComputedByTheKernel) {
  const nn::Runtime plain,
      forced(1, nn::Numerics::reference, kernels::Choice::parse("linear=reference", "kernels"));
  const nn::Runtime deterministic(1, nn::Numerics::deterministic);
  EXPECT_FALSE(nn::uses_linear_kernel(plain));
  EXPECT_TRUE(nn::uses_linear_kernel(forced));
  EXPECT_TRUE(nn::uses_linear_kernel(deterministic));
  const at::Tensor a = wave({3, 17}, 0.3), b = wave({5, 17}, 0.7);
  EXPECT_LT(largest_difference(nn::product(forced, a, b), nn::product(plain, a, b)), 1e-5);
}

}  // namespace
}  // namespace instructblip
