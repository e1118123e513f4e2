// Loops that do nothing but read memory or multiply and add, for what the processor can do at best:
// the limits that benchmarks divide by.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "kernels/number.h"
#include "kernels/registry.h"

namespace instructblip::kernels {

struct Probe {
  std::string_view name;  // the instruction set
  Support (*supports)(const Machine&);
  // All 64-bit words from `data` on, combined by exclusive or; `bytes` is a multiple of
  // kProbeBytes.
  std::uint64_t (*read)(const void* data, std::int64_t bytes);
  // So many rounds of x = x * one + step in float32, two operations each, on so many `lanes`, from
  // a few small whole numbers. Returns the sum over all lanes.
  float (*multiply_add)(std::int64_t rounds, float one, float step);
  std::int64_t lanes;
};

inline constexpr std::int64_t kProbeBytes = 512;

// Multiplies what rows are rounded to.
struct RoundedProbe {
  std::string_view name;
  Number numbers;  // that are multiplied
  Support (*supports)(const Machine&);
  // So many rounds in each of which every sum gains one * step, where sums, of 32 bits or of 16,
  // stay small whole numbers. Returns all of them added up.
  std::int64_t (*multiply_add)(std::int64_t rounds, int one, int step);
  std::int64_t products, sums;  // multiplications, each with an addition, and sums of a round
};

// None where the processor has no such instructions that kernels use.
std::span<const RoundedProbe> rounded_probes();

// The last one runs anywhere. Which reads fastest differs between processors: the widest registers
// do not always.
std::span<const Probe> probes();

}  // namespace instructblip::kernels
