// A device that is no processor, behind functions that a part of the library of its own implements.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "kernels/machine.h"
#include "kernels/tables.h"
#include "nn/runtime.h"

namespace instructblip::nn {

class Device {
 public:
  virtual ~Device() = default;

  virtual c10::Device where() const = 0;
  // One table of kernels for each operation; where it is empty, the operation is an ATen
  // composition.
  virtual const kernels::Tables& tables() const = 0;
  virtual const kernels::Machine& machine() const = 0;
  virtual DeviceMemory memory() const = 0;
  // Once, on the thread that all work of a runtime is done on: from now on what this thread hands
  // over runs on the device, float32 in full precision. Throws Error.
  virtual void enter() = 0;
};

// What a library of a device exports as `instructblip_cuda`.
struct DevicePlugin {
  // Throws Error where the device cannot be used.
  std::unique_ptr<Device> (*open)(int index);
};
// Returns null for another version than its own.
using DevicePluginEntry = const DevicePlugin*(int version);
inline constexpr int kDevicePluginVersion = 1;

// A runtime on a device.
class DeviceRuntime : public Runtime {
 public:
  explicit DeviceRuntime(std::unique_ptr<Device> device, int threads = 1,
                         kernels::Choice kernels = {})
      : Runtime(threads, Numerics::reference, std::move(kernels)), device_(std::move(device)) {
    run([&] { device_->enter(); });
  }

  at::Device device() const override { return device_->where(); }
  const kernels::Tables& tables() const override { return device_->tables(); }
  const kernels::Machine& machine() const override { return device_->machine(); }
  std::optional<DeviceMemory> memory() const override { return device_->memory(); }

 private:
  std::unique_ptr<Device> device_;
};

}  // namespace instructblip::nn
