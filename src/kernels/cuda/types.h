// Plain structs that kernels, what launches them and the emulator share.
#pragma once

#include <cstddef>
#include <cstdint>

namespace instructblip::kernels::dev {

// 16-bit floating-point numbers in memory.
struct Half {
  std::uint16_t bits;
};
struct Bfloat {
  std::uint16_t bits;
};

struct alignas(8) Words2 {
  std::uint32_t x, y;
};
struct alignas(16) Words4 {
  std::uint32_t x, y, z, w;
};
struct alignas(8) Float2 {
  float x, y;
};

struct Grid {
  unsigned x = 1, y = 1, z = 1;
};

struct LaunchConfig {
  Grid blocks;
  unsigned threads = 1;            // in a block
  std::size_t shared_bytes = 0;    // dynamic shared memory of a block
  bool overlaps_previous = false;  // may begin before the launch before it has ended: sm_90 only,
                                   // for kernels that call grid_wait()
  void* stream = nullptr;          // a cudaStream_t; the emulator has one
};

constexpr std::uint32_t kAllLanes = 0xffffffffu;

}  // namespace instructblip::kernels::dev
