// A thread that computes for all callers.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace instructblip::nn {

// `error` with what LibTorch throws, and std::bad_alloc, as instructblip::Error.
std::exception_ptr translated(const std::exception_ptr& error);

// One thread with a team of LibTorch's threads, for which callers queue: first come, first served.
// Autograd is off on it. Thread-safe.
class WorkThread {
 public:
  // Number of threads that compute, itself among them. Errors: invalid_argument, where the system
  // does not start as many.
  explicit WorkThread(int threads);
  ~WorkThread();  // once it has done what waits
  WorkThread(const WorkThread&) = delete;
  WorkThread& operator=(const WorkThread&) = delete;

  // Runs `work` there and waits; what it throws is thrown here, translated(). Not from such work.
  void run(std::function<void()> work);
  // Takes what is to end there, and does not wait for that.
  void leave(std::shared_ptr<void> what) noexcept;
  // From now on whoever waits, for work or for its end, spins before it sleeps.
  void spin_before_sleep() { spins_ = true; }

 private:
  struct Task;

  void loop(int threads);
  Task* next_task();

  std::mutex mutex_;
  std::condition_variable arrived_, finished_;
  std::deque<Task*> queue_;
  std::vector<std::shared_ptr<void>> left_;
  std::atomic<bool> has_work_ = false;  // whether one of them holds any
  std::atomic<bool> spins_ = false, closing_ = false;
  std::thread thread_;
};

}  // namespace instructblip::nn
