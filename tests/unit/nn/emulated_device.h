// The stand-in device with the kernels of a CUDA device, which the emulator runs.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "kernels/cuda/kernels.h"
#include "unit/nn/stand_in_device.h"

namespace instructblip {

// How many launches of each operation's kernels have run so far, records launched again included.
const std::map<std::string, std::int64_t, std::less<>>& launches_of_emulated_device();

// `change` is done to its tables of kernels.
using ChangeTables = std::function<void(kernels::cuda::Tables&)>;
std::unique_ptr<nn::Device> make_emulated_device(const ChangeTables& change = {});

// Rows are f16 or bf16.
class EmulatedRuntime final : public nn::DeviceRuntime {
 public:
  explicit EmulatedRuntime(at::ScalarType row_type = at::kHalf, kernels::Choice kernels = {})
      : DeviceRuntime(make_emulated_device(), 1, std::move(kernels), row_type) {}
  EmulatedRuntime(at::ScalarType row_type, const ChangeTables& change)
      : DeviceRuntime(make_emulated_device(change), 1, {}, row_type) {}
};

}  // namespace instructblip
