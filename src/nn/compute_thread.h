// The thread on which all tensor work of a pipeline runs.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>

namespace instructblip::nn {

// `error` with what LibTorch throws, and std::bad_alloc, as instructblip::Error.
std::exception_ptr translated(const std::exception_ptr& error);

// OpenMP gives every thread that opens a parallel region a team of its own, so concurrent callers
// would run several times as many threads as there are cores. Here they queue for one thread with
// one team: first come, first served, a stage or a decoding step at a time, so that a short request
// is never stuck behind a long one. Autograd is off on it.
class ComputeThread {
 public:
  // In fixed order, see fixed_order.h, or not.
  explicit ComputeThread(int threads, bool fixed_order = false);
  ~ComputeThread();
  ComputeThread(const ComputeThread&) = delete;
  ComputeThread& operator=(const ComputeThread&) = delete;

  // Runs `work` there and waits; what it throws is thrown here, with c10::Error and std::bad_alloc
  // translated to instructblip::Error. Must not be called from work that runs there.
  template <typename Work>
  auto run(Work&& work) {
    using Result = std::invoke_result_t<Work>;
    if constexpr (std::is_void_v<Result>) {
      run_task(std::forward<Work>(work));
    } else {
      std::optional<Result> result;
      run_task([&] { result.emplace(work()); });
      return std::move(*result);
    }
  }

 private:
  struct Task {
    std::function<void()> work;
    std::exception_ptr error;
    bool done = false;
  };

  void run_task(std::function<void()> work);
  void loop(int threads, bool fixed_order);

  std::mutex mutex_;
  std::condition_variable arrived_, finished_;
  std::deque<Task*> queue_;
  bool closing_ = false;
  std::thread thread_;
};

}  // namespace instructblip::nn
