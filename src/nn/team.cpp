#include "nn/team.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "nn/spin.h"

namespace instructblip::nn {
namespace {

// Much longer than the time between two operations of a step, much shorter than a time slice.
constexpr std::chrono::microseconds kSpin{50};

}  // namespace

std::uint32_t Team::phase_after(std::uint32_t seen) const noexcept {
  if (!spin_until(kSpin, [&] { return phase_.load() != seen; })) phase_.wait(seen);
  return phase_.load();
}

bool Team::take_range(std::int64_t& first, std::int64_t& last) noexcept {
  first = next_.load(std::memory_order_relaxed);
  do {
    if (first >= count_) return false;
    const std::int64_t length = std::max(ranges_.grain, (count_ - first) / ranges_.parts);
    last = std::min(count_, first + length);
  } while (!next_.compare_exchange_weak(first, last, std::memory_order_relaxed));
  return true;
}

void Team::take() noexcept {
  for (std::int64_t first = 0, last = 0; take_range(first, last);) {
    try {
      (*tasks_)(first, last);
    } catch (...) {
      if (!failed_.exchange(true)) error_ = std::current_exception();
    }
  }
}

// Whoever is counted as inside while the phase is still the one it came for keeps the tasks alive:
// run() ends the phase before it waits for those inside to leave.
void Team::stand_by() noexcept {
  for (std::uint32_t phase = 0; !closed_;) {
    phase = phase_after(phase);
    if (phase % 2 == 0) continue;
    ++inside_;
    if (phase_ == phase) take();
    --inside_;
  }
}

void Team::run(std::int64_t count, const Ranges& ranges, kernels::Tasks tasks) {
  tasks_ = &tasks;
  count_ = count;
  ranges_ = ranges;
  next_ = 0;
  ++phase_;
  phase_.notify_all();
  take();
  ++phase_;
  while (!spin_until(kSpin, [this] { return inside_ == 0; })) std::this_thread::yield();
  if (failed_.exchange(false)) std::rethrow_exception(std::exchange(error_, nullptr));
}

void Team::close() noexcept {
  closed_ = true;
  phase_ += 2;
  phase_.notify_all();
}

}  // namespace instructblip::nn
