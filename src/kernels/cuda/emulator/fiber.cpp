#include "kernels/cuda/emulator/fiber.h"

#include <algorithm>
#include <cstdint>

#ifndef __x86_64__
#error "the emulator switches fibers on x86-64 only"
#endif

#ifdef INSTRUCTBLIP_EMULATOR_ASAN
extern "C" {
void __sanitizer_start_switch_fiber(void** fake_stack, const void* bottom, std::size_t size);
void __sanitizer_finish_switch_fiber(void* fake_stack, const void** bottom, std::size_t* size);
void __asan_unpoison_memory_region(const volatile void* begin, std::size_t size);
}
#endif

// void instructblip_switch_stack(void** save, void* to): keeps what the calling convention keeps.
asm(R"(.text
.globl instructblip_switch_stack
.type instructblip_switch_stack,@function
instructblip_switch_stack:
  push %rbp
  push %rbx
  push %r12
  push %r13
  push %r14
  push %r15
  mov %rsp, (%rdi)
  mov %rsi, %rsp
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbx
  pop %rbp
  ret
.size instructblip_switch_stack, .-instructblip_switch_stack
)");
extern "C" void instructblip_switch_stack(void** save, void* to);

namespace instructblip::emulator {
namespace {

constexpr std::size_t kMarked = 64;
constexpr std::byte kMark{0xa5};

}  // namespace

void Fiber::begin(std::byte* stack, std::size_t size, void (*entry)()) {
#ifdef INSTRUCTBLIP_EMULATOR_ASAN
  __asan_unpoison_memory_region(stack, size);
#endif
  mark_end(stack, size);
  bottom_ = stack;
  size_ = size;
  // As if `entry` had been called (16-byte aligned before its return address) and had switched
  // away.
  auto top = reinterpret_cast<std::uintptr_t>(stack + size) & ~std::uintptr_t{15};
  auto** slot = reinterpret_cast<void**>(top);
  *--slot = nullptr;
  *--slot = reinterpret_cast<void*>(entry);
  for (int i = 0; i < 6; ++i) *--slot = nullptr;
  stack_pointer_ = slot;
}

void switch_fiber(Fiber& from, Fiber& to, [[maybe_unused]] bool ends) {
#ifdef INSTRUCTBLIP_EMULATOR_ASAN
  __sanitizer_start_switch_fiber(ends ? nullptr : &from.fake_stack_, to.bottom_, to.size_);
#endif
  instructblip_switch_stack(&from.stack_pointer_, to.stack_pointer_);
#ifdef INSTRUCTBLIP_EMULATOR_ASAN
  __sanitizer_finish_switch_fiber(from.fake_stack_, nullptr, nullptr);
#endif
}

void entered([[maybe_unused]] Fiber& first) {
#ifdef INSTRUCTBLIP_EMULATOR_ASAN
  const void* bottom = nullptr;
  std::size_t size = 0;
  __sanitizer_finish_switch_fiber(nullptr, &bottom, &size);
  if (first.bottom_ == nullptr) {  // nothing else can have been left
    first.bottom_ = bottom;
    first.size_ = size;
  }
#endif
}

void mark_end(std::byte* stack, std::size_t /*size*/) { std::fill_n(stack, kMarked, kMark); }

bool end_is_intact(const std::byte* stack) {
  return std::all_of(stack, stack + kMarked, [](std::byte b) { return b == kMark; });
}

}  // namespace instructblip::emulator
