#include "nn/work_thread.h"

#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <c10/util/Exception.h>

#include <chrono>
#include <cstdint>
#include <new>
#include <string>
#include <utility>

#include "core/errors.h"
#include "core/together.h"
#include "nn/spin.h"

namespace instructblip::nn {
namespace {

// How long callers spin until their work is done, and the thread until there is more of it: what a
// search does between two steps is much shorter.
constexpr std::chrono::microseconds kLongestStep{20000}, kBetweenSteps{200};

// LibTorch waits for ever for a thread of its own pool that the system did not start, and OpenMP
// ends the process. Beside the thread that runs everything each has one for every other.
int startable(int threads) {
  if (threads <= 1 || can_start(2 * threads - 1)) return threads;
  throw Error(ErrorCode::invalid_argument,
              "threads: expected as many as the system starts now, got " + std::to_string(threads) +
                  ", for which LibTorch starts " + std::to_string(2 * threads - 1),
              "take fewer, or raise what limits them (ulimit -u, ulimit -v, a container's pids)");
}

}  // namespace

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
  } catch (const c10::AcceleratorError& e) {  // what a device's runtime says
    constexpr std::int32_t kNoMemory = 2;     // cudaErrorMemoryAllocation
    const std::string what = e.what_without_backtrace();
    return std::make_exception_ptr(
        Error(e.get_error_code() == kNoMemory ? ErrorCode::out_of_memory : ErrorCode::unsupported,
              "the device fails: " + what.substr(0, what.find('\n')),
              "instructblip doctor shows what the driver says"));
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

WorkThread::WorkThread(int threads)
    : thread_([this, threads = startable(threads)] { loop(threads); }) {}

WorkThread::~WorkThread() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  arrived_.notify_all();
  thread_.join();
}

struct WorkThread::Task {
  std::function<void()> work;
  std::exception_ptr error;
  std::atomic<bool> done = false;  // the last that is written
};

void WorkThread::run(std::function<void()> work) {
  Task task{std::move(work), nullptr};
  bool is_next = false;
  {
    const std::lock_guard lock(mutex_);
    is_next = queue_.empty();
    queue_.push_back(&task);
    has_work_ = true;
  }
  arrived_.notify_one();
  if (spins_ && is_next) spin_until(kLongestStep, [&] { return task.done.load(); });
  if (!task.done) {
    std::unique_lock lock(mutex_);
    finished_.wait(lock, [&] { return task.done.load(); });
  }
  if (task.error) std::rethrow_exception(task.error);
}

void WorkThread::leave(std::shared_ptr<void> what) noexcept {
  try {
    const std::lock_guard lock(mutex_);
    left_.push_back(std::move(what));
    has_work_ = true;
  } catch (...) {  // no memory: it ends here
    return;
  }
  arrived_.notify_one();
}

// Null: there will be none.
WorkThread::Task* WorkThread::next_task() {
  if (spins_) spin_until(kBetweenSteps, [this] { return has_work_ || closing_; });
  std::unique_lock lock(mutex_);
  while (true) {
    arrived_.wait(lock, [this] { return closing_ || !queue_.empty() || !left_.empty(); });
    if (left_.empty()) break;
    auto ending = std::exchange(left_, {});
    lock.unlock();
    ending.clear();
    lock.lock();
    has_work_ = !queue_.empty();
  }
  if (queue_.empty()) return nullptr;
  Task* const task = queue_.front();
  queue_.pop_front();
  has_work_ = !queue_.empty();
  return task;
}

void WorkThread::loop(int threads) {
  at::set_num_threads(threads);
  const c10::InferenceMode inference;
  while (Task* const task = next_task()) {
    try {
      task->work();
    } catch (...) {
      task->error = translated(std::current_exception());
    }
    {
      const std::lock_guard lock(mutex_);
      task->done = true;  // its caller may be gone at once
    }
    finished_.notify_all();
  }
}

}  // namespace instructblip::nn
