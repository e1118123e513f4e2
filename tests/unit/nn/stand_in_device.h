// A device that needs no hardware, behind LibTorch's key for private backends.
//
// Its memory is the host's, behind addresses that the processor refuses: whoever reads a tensor of
// the device on the host without a copy ends the process. Its operations are the CPU's, and throw
// where a tensor is not on the device, but for numbers. So what runs on it keeps to the rules of a
// device, and gives the CPU's answers.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>

#include "nn/device.h"
#include "unit/nn/runtimes.h"

namespace instructblip {

inline at::Device stand_in_device() { return {at::kPrivateUse1, 0}; }

// Operations that the device has run so far, in this process.
std::int64_t operations_of_stand_in();

// All operations are ATen compositions there.
class StandInDevice final : public nn::Device {
 public:
  explicit StandInDevice(nn::DeviceMemory memory) : memory_(memory) {}

  c10::Device where() const override { return stand_in_device(); }
  const kernels::Tables& tables() const override { return kNoTables; }
  const kernels::Machine& machine() const override { return machine_; }
  nn::DeviceMemory memory() const override { return memory_; }
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
};

}  // namespace instructblip
