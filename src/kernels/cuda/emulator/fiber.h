// A stack with a point of execution: what the emulator runs a thread of a kernel on.
#pragma once

#include <cstddef>
#include <memory>

namespace instructblip::emulator {

class Fiber {
 public:
  // Without a stack of its own: the program's.
  Fiber() = default;

  // Will begin with `entry`, which must never return.
  void begin(std::byte* stack, std::size_t size, void (*entry)());

 private:
  friend void switch_fiber(Fiber& from, Fiber& to, bool ends);
  friend void entered(Fiber& first);

  void* stack_pointer_ = nullptr;
  // For AddressSanitizer.
  const void* bottom_ = nullptr;
  std::size_t size_ = 0;
  void* fake_stack_ = nullptr;
};

// Continues `to`; returns when something switches back to `from`, never if it `ends`.
void switch_fiber(Fiber& from, Fiber& to, bool ends);

// To be called first on a new fiber; `first` is the program's.
void entered(Fiber& first);

// The lower end of a stack holds a pattern: an overrun is seen when the fiber ends.
void mark_end(std::byte* stack, std::size_t size);
bool end_is_intact(const std::byte* stack);

constexpr std::size_t stack_bytes() {
#ifdef __SANITIZE_ADDRESS__
  return 256 * 1024;
#else
  return 64 * 1024;
#endif
}

}  // namespace instructblip::emulator
