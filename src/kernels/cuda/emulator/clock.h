// Vector clocks: which accesses of other threads of a block are known to have happened. Two
// accesses to one place, one of them a write, are a race unless one is known to the other's thread.
// Flanagan and Freund, FastTrack, 2009; threads that synchronise share one vector.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace instructblip::emulator {

// For each thread of the block, up to which of its epochs.
using Epochs = std::vector<std::uint32_t>;

struct Access {
  std::uint32_t thread;
  std::uint32_t epoch;
};

class Clock {
 public:
  Clock() = default;
  Clock(std::uint32_t thread, std::shared_ptr<const Epochs> known)
      : known_(std::move(known)), thread_(thread) {}

  Access now() const { return {thread_, epoch_}; }
  bool knows(Access access) const {
    return access.thread == thread_ || access.epoch <= (*known_)[access.thread];
  }

  // What this thread has done and knows is known to `to`; what it does next is not.
  void release_to(std::shared_ptr<const Epochs>& to);
  void acquire(const std::shared_ptr<const Epochs>& from);
  // The same without a new epoch.
  void add_to(std::shared_ptr<const Epochs>& to) const;

  // All of them wait for each other.
  static void join(std::span<Clock*> clocks);

 private:
  std::shared_ptr<const Epochs> known_;
  std::uint32_t thread_ = 0;
  std::uint32_t epoch_ = 1;
};

}  // namespace instructblip::emulator
