// Steps that a device records, and launches again.
#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/matmul.h>
#include <gtest/gtest.h>

#include <vector>

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

}  // namespace
}  // namespace instructblip
