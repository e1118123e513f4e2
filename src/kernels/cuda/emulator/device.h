// The emulated device: takes launches, runs them in an order of your choice, and throws at the
// first thing a kernel does that the device would not forgive. It has no notion of time.
#pragma once

#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/cuda/types.h"

namespace instructblip::emulator {

// What a kernel did wrong, where, and who waited for what.
class Fault : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Which of the threads that can run does. Right kernels give the same bits in every order.
struct Schedule {
  enum class Order { forward, backward, random } order = Order::forward;
  std::uint32_t seed = 1;
};

struct Launch {
  kernels::dev::LaunchConfig config;
  std::function<void()> thread;  // what each thread does
};

// Puts a launch at the end of the device's queue.
void enqueue(Launch launch);

struct Observed {
  std::int64_t launches = 0;
  std::size_t shared_bytes = 0;     // the most that a block of one of them asked for
  std::int64_t bank_conflicts = 0;  // rows of ldmatrix that had to wait for others of their eight
};

// Runs what is queued, and returns when all of it has ended. Errors: Fault; the queue is then
// empty.
Observed run_queue(const Schedule& schedule);

}  // namespace instructblip::emulator
