#include "nn/device.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "instructblip/error.h"

namespace instructblip::nn {
namespace {

constexpr std::size_t kKnownIds = 256;
constexpr std::int64_t kCounters = 256;  // to begin with

}  // namespace

DeviceRuntime::DeviceRuntime(std::unique_ptr<Device> device, int threads, kernels::Choice kernels,
                             at::ScalarType row_type)
    : Runtime(threads, Numerics::reference, std::move(kernels)),
      device_(std::move(device)),
      row_type_(row_type),
      processor_(threads) {
  spin_before_sleep();
  run([&] { device_->enter(); });
}

// Records end where they were made, and before the device.
DeviceRuntime::~DeviceRuntime() {
  run([&] {
    steps_.clear();
    known_ids_.clear();
    counters_.clear();
    uploader_ = nullptr;
  });
}

at::Tensor DeviceRuntime::known_ids(const std::vector<std::int32_t>& values) const {
  if (current_ != nullptr) {
    const auto found = current_->known_ids.find(values);
    if (found != current_->known_ids.end()) return found->second;
  }
  if (known_ids_.size() >= kKnownIds && !known_ids_.contains(values)) known_ids_.clear();
  at::Tensor& ids = known_ids_[values];
  if (!ids.defined()) ids = this->ids(values);
  if (current_ != nullptr) current_->known_ids[values] = ids;
  return ids;
}

at::Tensor DeviceRuntime::upload(const at::Tensor& tensor) const {
  constexpr std::size_t kLarge = 1 << 20;
  if (tensor.device() != at::kCPU || tensor.nbytes() < kLarge) return Runtime::upload(tensor);
  if (!uploader_) uploader_ = std::make_unique<Uploader>(*this);
  return uploader_->upload(tensor);
}

at::Tensor DeviceRuntime::host_memory(const Shape& shape, at::ScalarType type) const {
  if (current_ != nullptr && current_->ran) {
    throw Error(ErrorCode::internal, "a step that is recorded copies from or to the host");
  }
  return device_->host_memory(shape, type);
}

at::Tensor DeviceRuntime::counters(std::int64_t count) const {
  if (counters_.empty() || counters_.back().numel() < count) {
    counters_.push_back(at::zeros({std::max(count, kCounters)}, options(at::kInt)));
  }
  return counters_.back().narrow(0, 0, count);
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

std::optional<std::uint64_t> DeviceRuntime::recorded_use(const StepKey& key) const {
  const auto found = steps_.find(key);
  if (found == steps_.end() || !found->second.record) return std::nullopt;
  return found->second.used;
}

at::Tensor DeviceRuntime::launch_again(const StepKey& key, std::uint64_t last_use) const {
  if (recorded_use(key) != last_use) return {};
  return step_of(key).record->launch();
}

at::Tensor DeviceRuntime::replay(const StepKey& key,
                                 const std::function<at::Tensor()>& step) const {
  Step& known = step_of(key);
  if (!known.record) {
    at::Tensor result = run_or_record(known, step);
    if (!known.record) return result;
  }
  return known.record->launch();
}

// The result of the first run; none where it is recorded.
at::Tensor DeviceRuntime::run_or_record(Step& step,
                                        const std::function<at::Tensor()>& compute) const {
  struct Turn {
    Step*& current;
    ~Turn() { current = nullptr; }
  } const turn{current_};
  turn.current = &step;
  if (step.ran) {
    step.record = device_->record(compute);
    return {};
  }
  at::Tensor result = compute();
  step.ran = true;
  return result;
}

}  // namespace instructblip::nn
