// The stand-in device with the kernels of a CUDA device, which the emulator runs.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "unit/nn/stand_in_device.h"

namespace instructblip {

// How many launches of each operation's kernels have run so far, records launched again included.
const std::map<std::string, std::int64_t, std::less<>>& launches_of_emulated_device();

std::unique_ptr<nn::Device> make_emulated_device();

// Rows are f16 or bf16.
class EmulatedRuntime final : public nn::DeviceRuntime {
 public:
  explicit EmulatedRuntime(at::ScalarType row_type = at::kHalf, kernels::Choice kernels = {})
      : DeviceRuntime(make_emulated_device(), 1, std::move(kernels), row_type) {}
};

}  // namespace instructblip
