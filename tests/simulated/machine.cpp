// The processor of simulated tests: what this one has of AVX2, and what instructions.h puts beside
// it.
#include "kernels/machine.h"

namespace instructblip::kernels {

const Machine& this_machine() {
  static const Machine machine = [] {
    const bool has_base = __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0;
    return Machine{.avx2 = has_base,
                   .fma = has_base,
                   .f16c = has_base,  // every processor that has AVX2 has it
                   .avxvnni = has_base,
                   .avx512f = has_base,
                   .avx512bw = has_base,
                   .avx512vl = has_base,
                   .avx512vnni = has_base,
                   .avx512bf16 = has_base,
                   .amx_tile = has_base,
                   .amx_bf16 = has_base};
  }();
  return machine;
}

}  // namespace instructblip::kernels
