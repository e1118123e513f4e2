// Threads that share out the tasks of any number of callers.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "kernels/queue.h"

namespace instructblip::kernels {

// Each caller works along until its own tasks are done, so that a task may hand out tasks itself.
// Thread-safe.
class Workers final : public Queue {
 public:
  // Number of threads of a call, the caller's among them. The others are started by the first call
  // that has work for them.
  explicit Workers(int threads) : threads_(threads) {}
  ~Workers() override;
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  // Throws the first of what the tasks throw; those that have not begun are left out then.
  void run(std::int64_t count, std::int64_t grain, Tasks tasks) override;

 private:
  struct Call;
  void start();  // with the lock held
  void loop();

  const int threads_;
  std::mutex mutex_;
  std::condition_variable arrived_, left_;
  std::deque<Call*> calls_;  // those that have tasks to begin
  bool closing_ = false;
  std::vector<std::thread> started_;
};

}  // namespace instructblip::kernels
