#include "nn/runtime.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <c10/core/InferenceMode.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <new>
#include <string>

#include "core/errors.h"
#include "nn/torch_threads.h"

namespace instructblip::nn {

at::Tensor to_host(const at::Tensor& tensor) {
  const at::Tensor here = tensor.to(at::kCPU);
  const bool half = here.scalar_type() == at::kHalf || here.scalar_type() == at::kBFloat16;
  return half ? here.to(at::kFloat) : here;
}

std::exception_ptr translated(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const Error&) {
    return error;
  } catch (const std::bad_alloc&) {
    return std::make_exception_ptr(Error(ErrorCode::out_of_memory, "out of memory"));
  } catch (const c10::OutOfMemoryError& e) {  // says how much was asked for, and what is free
    const std::string what = e.what_without_backtrace();
    return std::make_exception_ptr(
        Error(ErrorCode::out_of_memory, "out of memory: " + what.substr(0, what.find(" See ")),
              "ask for less at once, or choose a smaller dtype or another device"));
  } catch (const c10::Error& e) {
    const std::string what = e.what_without_backtrace();
    if (what.find("DefaultCPUAllocator") != std::string::npos) {
      return std::make_exception_ptr(Error(ErrorCode::out_of_memory, "out of memory"));
    }
    return std::make_exception_ptr(Error(
        ErrorCode::internal, "a tensor operation failed: " + what.substr(0, what.find('\n'))));
  } catch (...) {
    return error;
  }
}

Runtime::Runtime(int threads, Numerics numerics, kernels::Choice kernels)
    : numerics_(numerics),
      kernels_(kernels.or_else(kernels::Choice::of_environment())),
      thread_([this, threads] { loop(threads); }) {}

Runtime::~Runtime() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  arrived_.notify_all();
  thread_.join();
}

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
  at::Tensor tensor = at::empty({std::ssize(values)}, host(at::kInt));
  std::ranges::copy(values, tensor.data_ptr<std::int32_t>());
  return upload(tensor);
}

at::Tensor Runtime::known_ids(const std::vector<std::int32_t>& values) const { return ids(values); }

kernels::cuda::Stream& Runtime::stream() const {
  throw Error(ErrorCode::internal, "the processor has no stream");
}

at::Tensor Runtime::replay(const StepKey&, const std::function<at::Tensor()>& step) const {
  return step();
}

at::Tensor Runtime::step_memory(const StepKey&, std::int64_t count) const {
  return empty({count}, at::kInt);
}

at::Tensor Runtime::upload(const at::Tensor& tensor) const { return tensor.to(device()); }

void Runtime::run_task(std::function<void()> work) {
  Task task{std::move(work), nullptr};
  std::unique_lock lock(mutex_);
  queue_.push_back(&task);
  arrived_.notify_one();
  finished_.wait(lock, [&] { return task.done; });
  if (task.error) std::rethrow_exception(task.error);
}

void Runtime::loop(int threads) {
  at::set_num_threads(threads);
  const c10::InferenceMode inference;
  std::unique_lock lock(mutex_);
  while (true) {
    arrived_.wait(lock, [this] { return closing_ || !queue_.empty(); });
    if (queue_.empty()) return;
    Task* task = queue_.front();
    queue_.pop_front();
    lock.unlock();
    try {
      task->work();
    } catch (...) {
      task->error = translated(std::current_exception());
    }
    lock.lock();
    task->done = true;
    finished_.notify_all();
  }
}

}  // namespace instructblip::nn
