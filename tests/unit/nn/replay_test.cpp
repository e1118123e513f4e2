// Steps that a device records, and launches again.
#include "nn/replay.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/matmul.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <vector>

#include "instructblip/error.h"
#include "nn/device.h"
#include "unit/nn/stand_in_device.h"
#include "unit/nn/tensors.h"

namespace instructblip {
namespace {

const nn::StepKey kKey = {1, 2};

// A step over one number in the runtime's memory: x^2 + 1, as float32.
class Replay : public testing::Test {
 protected:
  StandInRuntime runtime_;
  at::Tensor memory_ = runtime_.step_memory(kKey, 1);
  int calls_ = 0;

  void set(std::int32_t x) { memory_.copy_(at::full({1}, x, nn::host(at::kInt))); }
  at::Tensor step() {
    ++calls_;
    const at::Tensor x = memory_.to(at::kFloat);
    return x * x + 1;
  }
  float replayed() {
    return nn::to_host(runtime_.replay(kKey, [&] { return step(); })).item<float>();
  }
};

TEST_F(Replay, RunsOnceRecordsOnceThenLaunchesWithWhatTheMemoryHolds) {
  for (const std::int32_t x : {2, 3, 4, 5}) {
    set(x);
    EXPECT_EQ(replayed(), static_cast<float>(x * x + 1));
  }
  EXPECT_EQ(calls_, 2);
}

TEST_F(Replay, KeepsStepsOfDifferentKeysApart) {
  const nn::StepKey other = {1, 3};
  const at::Tensor memory = runtime_.step_memory(other, 1);
  EXPECT_NE(memory.const_data_ptr(), memory_.const_data_ptr());
  EXPECT_EQ(runtime_.step_memory(kKey, 1).const_data_ptr(), memory_.const_data_ptr());
  for (int i = 0; i < 4; ++i) {
    set(i);
    memory.copy_(at::full({1}, i + 10, nn::host(at::kInt)));
    EXPECT_EQ(replayed(), static_cast<float>(i * i + 1));
    const auto doubled = [&] { return memory.to(at::kFloat) * 2; };
    EXPECT_EQ(nn::to_host(runtime_.replay(other, doubled)).item<float>(), 2.0f * (10 + i));
  }
}

TEST_F(Replay, ForgetsTheStepThatWasUsedLongestAgo) {
  set(1);
  for (int i = 0; i < 3; ++i) replayed();
  EXPECT_EQ(calls_, 2);
  for (std::size_t i = 0; i < nn::DeviceRuntime::kSteps; ++i) {
    runtime_.replay({7, static_cast<std::int64_t>(i)}, [&] { return memory_; });
  }
  replayed();
  EXPECT_EQ(calls_, 3);
}

// What a step must not do, and that the device shows it: a record is all that is launched.

TEST_F(Replay, ShowsWhatAStepReadsOnTheHost) {
  std::vector<float> answers;
  for (int i = 0; i < 4; ++i) {
    set(1);
    const auto forgetful = [&] { return memory_.to(at::kFloat) + i; };  // not in the key
    answers.push_back(nn::to_host(runtime_.replay(kKey, forgetful)).item<float>());
  }
  EXPECT_EQ(answers, (std::vector<float>{1, 2, 2, 2}));
}

TEST_F(Replay, RefusesCopiesFromAndToTheHost) {
  const auto refused = [&](const std::function<at::Tensor()>& step) {
    const nn::StepKey key = {9, static_cast<std::int64_t>(calls_++)};
    runtime_.replay(key, step);
    EXPECT_ANY_THROW(runtime_.replay(key, step));
    EXPECT_ANY_THROW(runtime_.replay(key, step));  // there is no record of it
  };
  refused([&] { return runtime_.ids(std::vector<std::int32_t>{1, 2}); });
  refused([&] { return memory_ + nn::to_host(memory_).item<std::int32_t>(); });
  refused([&] { return memory_ + memory_.item<std::int32_t>(); });
  set(3);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(replayed(), 10.0f);  // and goes on
}

// In place, into views, and of several results.
TEST_F(Replay, LaunchesOperationsOfEveryKindAgain) {
  const at::Tensor page = runtime_.upload(at::full({4, 2}, 0.0, nn::host(at::kFloat)));
  const auto step = [&] {
    page.select(0, 1).copy_(memory_.to(at::kFloat).expand({2}));
    page.narrow(0, 2, 1).add_(1);
    const std::vector<at::Tensor> halves = page.split_with_sizes({2, 2});
    return at::matmul(halves[0].t(), halves[1]);
  };
  for (int i = 0; i < 4; ++i) {
    set(i);
    runtime_.replay(kKey, step);
  }
  const at::Tensor here = nn::to_host(page);
  EXPECT_EQ(here[1][0].item<float>(), 3.0f);
  EXPECT_EQ(here[2][0].item<float>(), 4.0f);  // recording it added nothing
}

// Callers spin until their work is done, and sleep where it takes long.
TEST(DeviceRuntime, WorksForManyCallersThatLookOut) {
  StandInRuntime runtime;
  int done = 0;  // only the one thread touches it
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 6; ++caller) {
    callers.emplace_back([&] {
      for (int i = 0; i < 50; ++i) {
        EXPECT_THROW(runtime.run([] { throw Error(ErrorCode::deadline, "late"); }), Error);
        runtime.run([&] { ++done; });
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(done, 300);
  runtime.run([&] { std::this_thread::sleep_for(std::chrono::milliseconds(30)); });
  std::this_thread::sleep_for(std::chrono::milliseconds(2));  // nobody spins any more
  EXPECT_EQ(runtime.run([&] { return done; }), 300);
}

// --- Computations over tensors.

at::Tensor numbers(const nn::Runtime& runtime, std::vector<float> values, at::ScalarType type) {
  at::Tensor here = at::empty({std::ssize(values)}, nn::host(at::kFloat));
  std::ranges::copy(values, here.mutable_data_ptr<float>());
  return runtime.upload(here.to(type));
}

TEST_F(Replay, CopiesInputsToWhereTheRecordReadsThem) {
  std::vector<at::Tensor> results;
  for (const at::ScalarType type : {at::kFloat, at::kHalf}) {
    for (int i = 0; i < 4; ++i) {
      const auto x = static_cast<float>(i);
      const at::Tensor a = numbers(runtime_, {x, x + 1, x + 2}, type);
      const at::Tensor b = numbers(runtime_, {10 * x}, at::kFloat);
      results.push_back(nn::replayed(runtime_, {4}, {a, b}, [&](const nn::Tensors& inputs) {
        ++calls_;
        return inputs[0].to(at::kFloat) + inputs[1];
      }));
    }
  }
  EXPECT_EQ(calls_, 4);          // each type has a record of its own
  for (int i = 0; i < 8; ++i) {  // and no result is where another one was
    const at::Tensor here = nn::to_host(results[static_cast<std::size_t>(i)]);
    for (int k = 0; k < 3; ++k) EXPECT_EQ(here[k].item<float>(), 11.0f * (i % 4) + k);
  }
}

TEST_F(Replay, OfOtherSizesIsAnotherRecord) {
  for (int i = 0; i < 3; ++i) {
    for (const std::int64_t count : {2, 5}) {
      const std::vector<float> values(static_cast<std::size_t>(count), 2.0f);
      const at::Tensor sum =
          nn::replayed(runtime_, {4}, {numbers(runtime_, values, at::kFloat)},
                       [&](const nn::Tensors& inputs) { return inputs[0].sum(); });
      EXPECT_EQ(nn::to_host(sum).item<float>(), static_cast<float>(2 * count));
    }
  }
}

// Whatever becomes of the runtime's own list of them.
TEST_F(Replay, KeepsTheIdsThatARecordReads) {
  const auto step = [&] { return runtime_.known_ids({3, 4, 5}).sum() + memory_; };
  set(0);
  for (int i = 0; i < 3; ++i) runtime_.replay(kKey, step);
  std::vector<at::Tensor> others;
  for (std::int32_t i = 0; i < 600; ++i) others.push_back(runtime_.known_ids({i, 100, 200}));
  const at::Tensor sum = runtime_.replay(kKey, step);
  EXPECT_EQ(nn::to_host(sum).item<std::int64_t>(), 12);
}

// Between the first run and the second, which is recorded, too.
TEST_F(Replay, RecordsWithIdsThatHaveBeenForgotten) {
  const auto step = [&] { return runtime_.known_ids({3, 4, 5}).sum() + memory_; };
  set(0);
  runtime_.replay(kKey, step);
  for (std::int32_t i = 0; i < 600; ++i) runtime_.known_ids({i, 100, 200});
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(nn::to_host(runtime_.replay(kKey, step)).item<std::int64_t>(), 12);
  }
}

TEST_F(Replay, WhatIsCopiedWithoutWaitingIsThereWhenTheDeviceHasBeenWaitedFor) {
  set(7);
  const at::Tensor here = runtime_.host_memory({1}, at::kInt);
  here.copy_(memory_, /*non_blocking=*/true);
  EXPECT_NE(here.item<std::int32_t>(), 7);
  runtime_.wait();
  EXPECT_EQ(here.item<std::int32_t>(), 7);
  EXPECT_EQ(runtime_.download(memory_).item<std::int32_t>(), 7);
}

}  // namespace
}  // namespace instructblip
