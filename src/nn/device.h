// A device that is no processor, behind functions that a part of the library of its own implements.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "kernels/machine.h"
#include "kernels/tables.h"
#include "nn/runtime.h"
#include "nn/upload.h"

namespace instructblip::nn {

// Launches that have been recorded, with the memory between them.
class RecordedStep {
 public:
  virtual ~RecordedStep() = default;
  // Launches them again. The result lies where it always does.
  virtual at::Tensor launch() = 0;
};

class Device {
 public:
  virtual ~Device() = default;

  virtual c10::Device where() const = 0;
  // One table of kernels for each operation; where it is empty, the operation is an ATen
  // composition.
  virtual const kernels::Tables& tables() const = 0;
  virtual const kernels::Machine& machine() const = 0;
  virtual DeviceMemory memory() const = 0;
  // The most bytes that tensors have taken at once; 0 where that is not counted.
  virtual std::int64_t peak_memory() const { return 0; }
  // Where kernels go: behind what ATen has handed over, before what it will.
  virtual kernels::cuda::Stream& stream() = 0;
  // Calls `step` and records what it launches, which need not run yet.
  virtual std::unique_ptr<RecordedStep> record(const std::function<at::Tensor()>& step) = 0;
  // A tensor without values in memory of the host that it copies from and to by itself, and waiting
  // for that and all else that was handed over.
  virtual at::Tensor host_memory(at::IntArrayRef shape, at::ScalarType type) = 0;
  virtual void wait() = 0;
  // Behind all that has been handed over so far.
  virtual std::unique_ptr<DeviceMark> mark() = 0;
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
inline constexpr int kDevicePluginVersion = 9;
// Tables are part of what the two sides share: whoever adds one raises the version, too.
static_assert(sizeof(void*) != 8 || sizeof(kernels::Tables) == 280,
              "the tables have changed: raise kDevicePluginVersion, and this number");

// A runtime on a device.
class DeviceRuntime : public Runtime {
 public:
  // Keys whose steps are kept: requests and lengths are rounded up, so that there are few.
  static constexpr std::size_t kSteps = 64;

  // Rows are of `row_type`: float32, f16 or bf16.
  explicit DeviceRuntime(std::unique_ptr<Device> device, int threads = 1,
                         kernels::Choice kernels = {}, at::ScalarType row_type = at::kFloat);
  ~DeviceRuntime() override;

  at::Device device() const override { return device_->where(); }
  at::ScalarType row_type() const override { return row_type_; }
  Runtime& processor() override { return processor_; }
  const kernels::Tables& tables() const override { return device_->tables(); }
  const kernels::Machine& machine() const override { return device_->machine(); }
  std::optional<DeviceMemory> memory() const override { return device_->memory(); }
  kernels::cuda::Stream& stream() const override { return device_->stream(); }
  // As of the device, since the runtime was made.
  std::int64_t peak_memory() const { return device_->peak_memory(); }

  at::Tensor known_ids(const std::vector<std::int32_t>& values) const override;
  at::Tensor upload(const at::Tensor& tensor) const override;
  // Not for steps that are recorded: the record would copy from where others may be by then.
  at::Tensor host_memory(const Shape& shape, at::ScalarType type) const override;
  void wait() const override { device_->wait(); }
  std::unique_ptr<DeviceMark> mark() const override { return device_->mark(); }
  at::Tensor counters(std::int64_t count) const override;

  // The first step of a key runs, which also warms up what it uses, the second one is recorded, and
  // those after it launch the record. Only on the runtime's thread, as all work.
  at::Tensor replay(const StepKey& key, const std::function<at::Tensor()>& step) const override;
  bool replays() const override { return true; }
  std::optional<std::uint64_t> recorded_use(const StepKey& key) const override;
  at::Tensor launch_again(const StepKey& key, std::uint64_t last_use) const override;
  at::Tensor step_memory(const StepKey& key, std::int64_t count) const override;

 private:
  struct Step {
    at::Tensor memory;
    std::unique_ptr<RecordedStep> record;
    // What known_ids() has told it, which the record reads.
    std::map<std::vector<std::int32_t>, at::Tensor> known_ids;
    bool ran = false;
    std::uint64_t used = 0;
  };
  Step& step_of(const StepKey& key) const;
  at::Tensor run_or_record(Step& step, const std::function<at::Tensor()>& compute) const;

  std::unique_ptr<Device> device_;
  at::ScalarType row_type_;
  Runtime processor_;
  // Touched by the runtime's thread alone.
  mutable std::map<StepKey, Step> steps_;
  mutable Step* current_ = nullptr;  // that runs, or is being recorded
  mutable std::uint64_t uses_ = 0;
  mutable std::map<std::vector<std::int32_t>, at::Tensor> known_ids_;
  mutable std::vector<at::Tensor> counters_;  // the last one is the largest
  mutable std::unique_ptr<Uploader> uploader_;
};

}  // namespace instructblip::nn
