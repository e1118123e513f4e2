// Where a kernel's work runs.
#pragma once

#include <cstdint>
#include <type_traits>

namespace instructblip::kernels {

// The tasks [first, last) of a kernel, as something to call; borrowed, never kept.
class Tasks {
 public:
  template <class Function>
  requires(!std::is_same_v<Function, Tasks>) Tasks(  // NOLINT(google-explicit-constructor)
      const Function& function)                      // the lambda that it stands for
      : function_(&function), call_([](const void* f, std::int64_t first, std::int64_t last) {
          (*static_cast<const Function*>(f))(first, last);
        }) {}

  void operator()(std::int64_t first, std::int64_t last) const { call_(function_, first, last); }

 private:
  const void* function_;
  void (*call_)(const void*, std::int64_t, std::int64_t);
};

// Threads that share out the tasks of a kernel. (A device has a stream: cuda/stream.h.)
class Queue {
 public:
  virtual ~Queue() = default;

  // Calls `tasks` with ranges that cover [0, count), each once, on any threads and in any order;
  // returns when all are done. A range that is shared out holds at least `grain` tasks, unless it
  // is the last: fewer are not worth a thread.
  virtual void run(std::int64_t count, std::int64_t grain, Tasks tasks) = 0;
};

// How many tasks of `work` numbers or multiplications each are worth another thread: all together
// `worth_a_thread`, but one at least.
std::int64_t grain_of(std::int64_t work, std::int64_t worth_a_thread);

// All of it on the thread that calls.
class SerialQueue final : public Queue {
 public:
  void run(std::int64_t count, std::int64_t grain, Tasks tasks) override;
};

}  // namespace instructblip::kernels
