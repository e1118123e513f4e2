// What the processor has that kernels may use.
#pragma once

#include <cstdint>

namespace instructblip::kernels {

// Instruction sets that the processor has and the system lets programs use; or what a device has.
struct Machine {
  bool avx2 = false;
  bool fma = false;
  bool f16c = false;  // conversion of IEEE half precision
  bool avxvnni = false;
  bool avx512f = false;
  bool avx512bw = false;
  bool avx512vl = false;  // AVX-512's instructions on shorter registers
  bool avx512vnni = false;
  bool avx512bf16 = false;
  bool amx_tile = false;
  bool amx_int8 = false;
  bool amx_bf16 = false;
  int cuda_capability = 0;                     // 90 stands for 9.0; 0: this is no CUDA device
  int cuda_processors = 1;                     // its multiprocessors
  std::int64_t cuda_shared_bytes = 227 << 10;  // shared memory that a block may have; that of 9.0
};

// The one that this process runs on, or what INSTRUCTBLIP_INSTRUCTIONS leaves of it; looked at
// once. Throws Error(invalid_argument) where that names no instructions.
const Machine& this_machine();

}  // namespace instructblip::kernels
