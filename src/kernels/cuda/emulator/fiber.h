// A stack with a point of execution: what the emulator runs a thread of a kernel on.
#pragma once

#include <cstddef>
#include <memory>

// AddressSanitizer wants to be told of stacks; GCC and clang say in ways of their own that it is
// there.
#if defined(__SANITIZE_ADDRESS__)
#define INSTRUCTBLIP_EMULATOR_ASAN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define INSTRUCTBLIP_EMULATOR_ASAN
#endif
#endif

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
#ifdef INSTRUCTBLIP_EMULATOR_ASAN
  return 256 * 1024;
#else
  return 64 * 1024;
#endif
}

}  // namespace instructblip::emulator
