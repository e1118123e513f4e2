#include "kernels/cpu/byte_loops.h"

namespace instructblip::kernels::cpu {

ByteKernel byte_kernel_avx_vnni() { return byte_kernel(); }

}  // namespace instructblip::kernels::cpu
