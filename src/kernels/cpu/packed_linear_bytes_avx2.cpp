#include "kernels/cpu/byte_loops.h"

namespace instructblip::kernels::cpu {

ByteKernel byte_kernel_avx2() { return byte_kernel(); }

}  // namespace instructblip::kernels::cpu
