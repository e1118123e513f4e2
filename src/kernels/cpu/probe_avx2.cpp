#include "kernels/cpu/probe.h"
#include "kernels/cpu/probe_loops.h"

namespace instructblip::kernels::cpu {

std::uint64_t read_avx2(const void* data, std::int64_t bytes) { return read_any(data, bytes); }

float multiply_add_avx2(std::int64_t rounds, float one, float step) {
  return multiply_add_any(rounds, one, step);
}

}  // namespace instructblip::kernels::cpu
