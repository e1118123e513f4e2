#include "nn/runtime.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <utility>

#include "core/errors.h"
#include "nn/torch_threads.h"

namespace instructblip::nn {

Runtime::Runtime(int threads, Numerics numerics, kernels::Choice kernels, bool rounds_rows)
    : numerics_(numerics),
      kernels_(std::move(kernels)),
      rounds_rows_(rounds_rows),
      thread_(std::make_unique<WorkThread>(threads)) {
  kernels_ = kernels_.or_else(kernels::Choice::of_environment());
}

Runtime::~Runtime() = default;

const kernels::Tables& Runtime::tables() const {
  static const kernels::Tables of_processor;
  return of_processor;
}

kernels::Queue& Runtime::queue() const {
  static TorchThreads threads;  // the calling thread's
  return threads;
}

at::Tensor Runtime::empty(const Shape& shape, at::ScalarType type) const {
  return at::empty(shape, options(type));
}

at::Tensor Runtime::ids(std::span<const std::int32_t> values) const {
  const at::Tensor tensor = host_memory({std::ssize(values)}, at::kInt);
  std::ranges::copy(values, tensor.data_ptr<std::int32_t>());
  return tensor.to(device(), at::kInt, /*non_blocking=*/true);
}

at::Tensor Runtime::known_ids(const std::vector<std::int32_t>& values) const { return ids(values); }

void Runtime::stay_on(std::shared_ptr<const HeldCpus> cpus) {
  run([&] {
    TorchThreads::stay_on(cpus->cpus());
    cpus_ = std::move(cpus);
  });
}

kernels::cuda::Stream& Runtime::stream() const {
  throw Error(ErrorCode::internal, "the processor has no stream");
}

std::unique_ptr<DeviceMark> Runtime::mark() const {
  throw Error(ErrorCode::internal, "the processor is not waited for");
}

at::Tensor Runtime::replay(const StepKey&, const std::function<at::Tensor()>& step) const {
  return step();
}

void Runtime::step(std::int64_t rows, const std::function<void()>& work) const {
  // Rows of LibTorch's own operations that one thread is as fast with as a region of them.
  constexpr std::int64_t kFewRows = 32;
  const bool by_kernels = numerics_ == Numerics::fast && !tables().packed_linear.empty();
  if (rows > kFewRows || !by_kernels) return work();
  TorchThreads::stand_by(work);
}

at::Tensor Runtime::step_memory(const StepKey&, std::int64_t count) const {
  return empty({count}, at::kInt);
}

at::Tensor Runtime::upload(const at::Tensor& tensor) const { return tensor.to(device()); }

at::Tensor Runtime::download(const at::Tensor& tensor) const {
  if (tensor.device() == at::kCPU) return tensor;
  at::Tensor here = host_memory(tensor.sizes().vec(), tensor.scalar_type());
  here.copy_(tensor, /*non_blocking=*/true);
  wait();
  return here;
}

at::Tensor Runtime::host_memory(const Shape& shape, at::ScalarType type) const {
  return at::empty(shape, host(type));
}

at::Tensor Runtime::counters(std::int64_t count) const {
  return at::zeros({count}, options(at::kInt));
}

void Runtime::run_task(std::function<void()> work) {
  require_thread();
  thread_->run(std::move(work));
}

void Runtime::leave(std::shared_ptr<void> what) noexcept { thread_->leave(std::move(what)); }

}  // namespace instructblip::nn
