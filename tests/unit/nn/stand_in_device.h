// A device that needs no hardware, behind LibTorch's key for private backends.
//
// The host may touch its memory while the device works and at no other time: whoever reads a tensor
// of the device on the host without a copy ends the process. Its operations are the CPU's, and
// throw where a tensor is not on the device, but for numbers. So what runs on it keeps to the rules
// of a device, and gives the CPU's answers.
//
// It records steps: the operations, with the tensors that they were given, and kernels. What was
// computed meanwhile is overwritten, so that an answer is what the record makes of the same memory
// when it is launched. A copy from or to the host cannot be recorded, and throws. What is copied to
// the host without waiting is there when the device has been waited for, and not before; what is
// copied from the host without waiting must be as it was until then, else waiting throws.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "nn/device.h"
#include "unit/nn/runtimes.h"

namespace instructblip {

inline at::Device stand_in_device() { return {at::kPrivateUse1, 0}; }

// Operations that the device has run so far, in this process, and records that it has launched.
std::int64_t operations_of_stand_in();
std::int64_t records_launched_by_stand_in();

// What the step that was recorded last launches: operations by their names, "aten::add", but for
// those that look at memory and compute nothing, and kernels by their operations.
const std::vector<std::string>& launches_of_last_record();

// The bytes of the largest copy from its memory to the host's since this was last asked.
std::int64_t largest_copy_to_host();

// What hands kernels over, and has not run them yet, is asked to before anybody looks.
void settle_stand_in_by(void (*function)());
void settle_stand_in();
// Adds a launch to the step that is being recorded, if one is.
void record_in_stand_in(std::string_view name, std::function<void()> launch);

// All operations are ATen compositions there.
class StandInDevice : public nn::Device {
 public:
  explicit StandInDevice(nn::DeviceMemory memory) : memory_(memory) {}

  c10::Device where() const override { return stand_in_device(); }
  const kernels::Tables& tables() const override { return kNoTables; }
  const kernels::Machine& machine() const override { return machine_; }
  nn::DeviceMemory memory() const override { return memory_; }
  kernels::cuda::Stream& stream() override { throw std::logic_error("there are no kernels"); }
  std::unique_ptr<nn::RecordedStep> record(const std::function<at::Tensor()>& step) override;
  at::Tensor host_memory(at::IntArrayRef shape, at::ScalarType type) override;
  void wait() override;
  std::unique_ptr<nn::DeviceMark> mark() override;
  void enter() override {}

 private:
  nn::DeviceMemory memory_;
  kernels::Machine machine_;
};

// The runtime of a device, on this one.
class StandInRuntime final : public nn::DeviceRuntime {
 public:
  explicit StandInRuntime(nn::DeviceMemory memory = {.free = 1 << 30, .total = 1 << 30})
      : DeviceRuntime(std::make_unique<StandInDevice>(memory)) {}
  // In half precision.
  explicit StandInRuntime(at::ScalarType row_type)
      : DeviceRuntime(std::make_unique<StandInDevice>(nn::DeviceMemory{1 << 30, 1 << 30}), 1, {},
                      row_type) {}
};

}  // namespace instructblip
