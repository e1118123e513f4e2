// Threads that stand by for the tasks of one of them.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>

#include "kernels/queue.h"

namespace instructblip::nn {

// One thread works through a decoding step, and hands out tasks; the others call stand_by(). They
// spin a little while before they sleep: a step hands out tasks hundreds of times, and
// waking up would take as long as some of them. A thread that the system has set aside keeps nobody
// waiting unless it holds tasks.
class Team {
 public:
  // Takes part in what is handed out, until close().
  void stand_by() noexcept;

  // Size of a range: one of `parts` equal parts of the tasks that are left, and at least `grain`
  // tasks. Ranges begin large, since each costs a little, and end small, since all threads wait
  // for the last.
  struct Ranges {
    std::int64_t grain, parts;
  };

  // Calls `tasks` with ranges that cover [0, count), on any of the threads; returns when all are
  // done, and throws what one of them threw. From one thread alone, never from `tasks`.
  void run(std::int64_t count, const Ranges& ranges, kernels::Tasks tasks);

  // Nothing more will be handed out.
  void close() noexcept;

 private:
  std::uint32_t phase_after(std::uint32_t seen) const noexcept;
  void take() noexcept;
  bool take_range(std::int64_t& first, std::int64_t& last) noexcept;

  std::atomic<std::uint32_t> phase_ = 0;  // odd: there are tasks
  std::atomic<bool> closed_ = false;
  std::atomic<std::int32_t> inside_ = 0;  // threads that may be reading the tasks
  const kernels::Tasks* tasks_ = nullptr;
  std::int64_t count_ = 0;
  Ranges ranges_ = {1, 1};
  std::atomic<std::int64_t> next_ = 0;
  std::atomic<bool> failed_ = false;
  std::exception_ptr error_;
};

}  // namespace instructblip::nn
