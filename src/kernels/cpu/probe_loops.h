// The loops of probe.h in whatever registers the file is compiled for. Included by files of one
// instruction set only.
#pragma once

#include "kernels/cpu/lanes.h"

namespace instructblip::kernels::cpu {
namespace {

// A cache line, in the vector types of GCC and Clang.
typedef std::uint64_t Line __attribute__((vector_size(64), aligned(8), may_alias));

// Independent sums: enough registers to keep two units busy for the latency of a multiply-add, and
// no more than there are.
#if defined(__AVX512F__)
using Sum = Lanes;
constexpr std::int64_t kSums = 12;
#elif defined(__AVX2__)
using Sum = Lanes;  // two registers
constexpr std::int64_t kSums = 6;
#else
typedef float Sum __attribute__((vector_size(16)));
constexpr std::int64_t kSums = 10;

INSTRUCTBLIP_KERNEL Sum multiply_add(const Sum& a, const Sum& b, const Sum& c) { return a * b + c; }
INSTRUCTBLIP_KERNEL float sum(const Sum& x) { return x[0] + x[1] + x[2] + x[3]; }
#endif

INSTRUCTBLIP_KERNEL Sum filled(float x) {
#if defined(__AVX2__)
  return broadcast(x);
#else
  return Sum{} + x;
#endif
}

INSTRUCTBLIP_KERNEL std::uint64_t read_any(const void* data, std::int64_t bytes) {
  const Line* line = static_cast<const Line*>(data);
  const Line* const end = line + bytes / 64;
  Line a = {}, b = {}, c = {}, d = {};
  for (; line != end; line += 8) {
    a ^= line[0];
    b ^= line[1];
    c ^= line[2];
    d ^= line[3];
    a ^= line[4];
    b ^= line[5];
    c ^= line[6];
    d ^= line[7];
  }
  a ^= b ^ c ^ d;
  std::uint64_t all = 0;
  for (int i = 0; i < 8; ++i) all ^= a[i];
  return all;
}

// The sums begin at different numbers, or a compiler would keep one for all.
INSTRUCTBLIP_KERNEL float multiply_add_any(std::int64_t rounds, float one, float step) {
  const Sum factor = filled(one), more = filled(step);
  Sum sums[kSums];
  for (std::int64_t i = 0; i < kSums; ++i) sums[i] = filled(static_cast<float>(i));
  for (std::int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
    for (std::int64_t i = 0; i < kSums; ++i) sums[i] = multiply_add(sums[i], factor, more);
  }
  float all = 0.0f;
  for (std::int64_t i = 0; i < kSums; ++i) all += sum(sums[i]);
  return all;
}

}  // namespace
}  // namespace instructblip::kernels::cpu
