#include "kernels/machine.h"

namespace instructblip::kernels {

const Machine& this_machine() {
#if defined(__x86_64__) && defined(__GNUC__)
  static const Machine machine = {
      .avx2 = __builtin_cpu_supports("avx2") != 0,
      .fma = __builtin_cpu_supports("fma") != 0,
      .f16c = __builtin_cpu_supports("f16c") != 0,
      .avx512f = __builtin_cpu_supports("avx512f") != 0,
      .avx512bw = __builtin_cpu_supports("avx512bw") != 0,
      .avx512vnni = __builtin_cpu_supports("avx512vnni") != 0,
      .avx512bf16 = __builtin_cpu_supports("avx512bf16") != 0,
      .amx_tile = __builtin_cpu_supports("amx-tile") != 0,
      .amx_int8 = __builtin_cpu_supports("amx-int8") != 0,
      .amx_bf16 = __builtin_cpu_supports("amx-bf16") != 0,
  };
#else
  static const Machine machine;
#endif
  return machine;
}

}  // namespace instructblip::kernels
