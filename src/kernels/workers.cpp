#include "kernels/workers.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <system_error>

namespace instructblip::kernels {
namespace {

// Ranges for each thread, so that those that are held up leave the rest to the others.
constexpr std::int64_t kRangesOfThread = 4;

}  // namespace

struct Workers::Call {
  const Tasks& tasks;
  const std::int64_t count, length;
  std::atomic<std::int64_t> next = 0;
  int helpers = 0;                     // with the lock held
  std::exception_ptr error = nullptr;  // with the lock held

  void work(std::mutex& mutex) {
    try {
      while (true) {
        const std::int64_t first = next.fetch_add(length);
        if (first >= count) return;
        tasks(first, std::min(count, first + length));
      }
    } catch (...) {
      next = count;
      const std::lock_guard lock(mutex);
      if (!error) error = std::current_exception();
    }
  }
};

Workers::~Workers() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  arrived_.notify_all();
  for (std::thread& thread : started_) thread.join();
}

void Workers::start() {
  started_.reserve(static_cast<std::size_t>(threads_ - 1));
  try {
    while (started_.size() + 1 < static_cast<std::size_t>(threads_)) {
      started_.emplace_back([this] { loop(); });
    }
  } catch (const std::system_error&) {  // the system has no more: there are fewer
  }
}

void Workers::run(std::int64_t count, std::int64_t grain, Tasks tasks) {
  if (count <= 0) return;
  if (threads_ <= 1 || count <= grain) return tasks(0, count);
  Call call{tasks, count, std::max(grain, count / (threads_ * kRangesOfThread))};
  {
    const std::lock_guard lock(mutex_);
    start();
    calls_.push_back(&call);
  }
  arrived_.notify_all();
  call.work(mutex_);
  std::unique_lock lock(mutex_);
  std::erase(calls_, &call);
  left_.wait(lock, [&] { return call.helpers == 0; });
  if (call.error) std::rethrow_exception(call.error);
}

void Workers::loop() {
  std::unique_lock lock(mutex_);
  while (true) {
    arrived_.wait(lock, [this] { return closing_ || !calls_.empty(); });
    if (closing_) return;
    Call& call = *calls_.front();
    ++call.helpers;
    lock.unlock();
    call.work(mutex_);
    lock.lock();
    std::erase(calls_, &call);
    --call.helpers;
    left_.notify_all();
  }
}

}  // namespace instructblip::kernels
