#include "nn/device.h"

#include <ATen/ops/empty.h>

#include <algorithm>

namespace instructblip::nn {
namespace {

constexpr std::size_t kKnownIds = 256;

}  // namespace

DeviceRuntime::DeviceRuntime(std::unique_ptr<Device> device, int threads, kernels::Choice kernels,
                             at::ScalarType row_type)
    : Runtime(threads, Numerics::reference, std::move(kernels)),
      device_(std::move(device)),
      row_type_(row_type) {
  run([&] { device_->enter(); });
}

// Records end where they were made, and before the device.
DeviceRuntime::~DeviceRuntime() {
  run([&] {
    steps_.clear();
    known_ids_.clear();
  });
}

at::Tensor DeviceRuntime::known_ids(const std::vector<std::int32_t>& values) const {
  if (known_ids_.size() >= kKnownIds) known_ids_.clear();
  at::Tensor& ids = known_ids_[values];
  if (!ids.defined()) ids = this->ids(values);
  return ids;
}

DeviceRuntime::Step& DeviceRuntime::step_of(const StepKey& key) const {
  if (!steps_.contains(key) && steps_.size() >= kSteps) {
    steps_.erase(std::ranges::min_element(
        steps_, {}, [](const auto& key_and_step) { return key_and_step.second.used; }));
  }
  Step& step = steps_[key];
  step.used = ++uses_;
  return step;
}

at::Tensor DeviceRuntime::step_memory(const StepKey& key, std::int64_t count) const {
  Step& step = step_of(key);
  if (!step.memory.defined()) step.memory = empty({count}, at::kInt);
  return step.memory;
}

at::Tensor DeviceRuntime::replay(const StepKey& key,
                                 const std::function<at::Tensor()>& step) const {
  Step& known = step_of(key);
  if (!known.ran) {
    const at::Tensor result = step();
    known.ran = true;
    return result;
  }
  if (!known.record) known.record = device_->record(step);
  return known.record->launch();
}

}  // namespace instructblip::nn
