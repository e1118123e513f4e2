#include "kernels/machine.h"

#include <cstdlib>

#include "kernels/instruction_limit.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <cpuid.h>

#include <cstdint>

#include "core/processors.h"
#endif

namespace instructblip::kernels {
namespace {

#if defined(__x86_64__) && defined(__GNUC__)
struct Leaf {
  unsigned a = 0, b = 0, c = 0, d = 0;
};

Leaf leaf(unsigned number, unsigned part = 0) {
  Leaf found;
  __get_cpuid_count(number, part, &found.a, &found.b, &found.c, &found.d);
  return found;
}

bool has(unsigned bits, unsigned bit) { return (bits >> bit & 1U) != 0; }

// Whether the system saves the registers of AMX when it switches between threads.
bool saves_tiles() {
  constexpr unsigned kOsxsave = 27;
  if (!has(leaf(1).c, kOsxsave)) return false;
  std::uint32_t low = 0;
  std::uint32_t high = 0;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return has(low, 17) && has(low, 18);
}

// Names that all supported compilers know; the others by their bits (Intel, Software Developer's
// Manual, volume 2, CPUID).
Machine detect() {
  Machine machine = {
      .avx2 = __builtin_cpu_supports("avx2") != 0,
      .fma = __builtin_cpu_supports("fma") != 0,
      .avx512f = __builtin_cpu_supports("avx512f") != 0,
      .avx512bw = __builtin_cpu_supports("avx512bw") != 0,
      .avx512vl = __builtin_cpu_supports("avx512vl") != 0,
      .avx512vnni = __builtin_cpu_supports("avx512vnni") != 0,
      .avx512bf16 = __builtin_cpu_supports("avx512bf16") != 0,
  };
  machine.f16c = machine.avx2 && has(leaf(1).c, 29);
  const unsigned parts = leaf(7).a;
  machine.avxvnni = machine.avx2 && parts >= 1 && has(leaf(7, 1).a, 4);
  const bool has_tiles = has(leaf(7).d, 24);
  const unsigned extended = has_tiles && saves_tiles() && ask_for_tiles() ? leaf(7).d : 0;
  machine.amx_tile = has(extended, 24);
  machine.amx_int8 = has(extended, 25);
  machine.amx_bf16 = has(extended, 22);
  return machine;
}
#else
Machine detect() { return {}; }
#endif

}  // namespace

const Machine& this_machine() {
  static const Machine machine = [] {
    const char* const newest = std::getenv(kInstructionsVariable);
    const bool is_set = newest != nullptr && *newest != '\0';
    return is_set ? limited(detect(), newest) : detect();
  }();
  return machine;
}

}  // namespace instructblip::kernels
