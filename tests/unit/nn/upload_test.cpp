// Tensors that go to a device in pieces.
#include "nn/upload.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <utility>

#include "unit/nn/stand_in_device.h"

namespace instructblip {
namespace {

at::Tensor numbers(std::int64_t count, at::ScalarType type) {
  return at::arange(count, nn::host(at::kFloat)).remainder(251).to(type);
}

class Upload : public testing::Test {
 protected:
  StandInRuntime runtime_;
};

TEST_F(Upload, InPiecesIsTheSameTensor) {
  nn::Uploader uploader(runtime_, 256);
  for (const at::ScalarType type : {at::kFloat, at::kHalf, at::kBFloat16, at::kByte}) {
    for (const std::int64_t count : {1, 12, 16, 64, 1000, 1024}) {
      const at::Tensor here = numbers(4 * count, type).view({4, count});
      const at::Tensor there = uploader.upload(here);
      EXPECT_EQ(there.device(), runtime_.device());
      EXPECT_EQ(there.scalar_type(), type);
      EXPECT_TRUE(at::equal(runtime_.download(there), here)) << type << " " << count;
      const at::Tensor turned = here.transpose(0, 1);
      EXPECT_TRUE(at::equal(runtime_.download(uploader.upload(turned)), turned));
    }
  }
}

TEST_F(Upload, IsInPiecesWhereTensorsAreLarge) {
  const at::Tensor here = numbers((nn::Uploader::kPiece * 5 / 2 + 4) / 4, at::kFloat);
  EXPECT_TRUE(at::equal(runtime_.download(runtime_.upload(here)), here));
  EXPECT_EQ(runtime_.upload(at::empty({0, 3}, nn::host(at::kHalf))).sizes(),
            (at::IntArrayRef{0, 3}));
}

// What the test above relies on.
TEST_F(Upload, TheStandInSeesMemoryThatIsWrittenTooEarly) {
  const at::Tensor memory = runtime_.host_memory({4}, at::kFloat).fill_(1);
  const at::Tensor there = runtime_.empty({4}, at::kFloat);
  there.copy_(memory, /*non_blocking=*/true);
  memory.fill_(2);
  EXPECT_THROW(runtime_.wait(), std::logic_error);
  there.copy_(memory, /*non_blocking=*/true);
  runtime_.wait();
  memory.fill_(3);
  EXPECT_NO_THROW(runtime_.wait());
}

// A device that cannot make its first mark.
class DeviceThatFails final : public StandInDevice {
 public:
  using StandInDevice::StandInDevice;
  std::unique_ptr<nn::DeviceMark> mark() override {
    if (std::exchange(fails_, false)) throw std::runtime_error("no mark");
    return StandInDevice::mark();
  }

 private:
  bool fails_ = true;
};

TEST(UploadWithoutAMark, LeavesMemoryAloneThatTheDeviceStillCopies) {
  const nn::DeviceRuntime runtime(
      std::make_unique<DeviceThatFails>(nn::DeviceMemory{1 << 30, 1 << 30}));
  nn::Uploader uploader(runtime, 256);
  EXPECT_THROW(uploader.upload(at::full({64}, 1, nn::host(at::kFloat))), std::runtime_error);
  const at::Tensor here = numbers(64, at::kFloat);
  at::Tensor there;
  EXPECT_NO_THROW(there = uploader.upload(here));
  EXPECT_TRUE(at::equal(runtime.download(there), here));
}

}  // namespace
}  // namespace instructblip
