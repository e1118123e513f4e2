#include "kernels/cpu/norm_loops.h"

namespace instructblip::kernels::cpu {

NormRow norm_row_avx2() { return norm_row(); }

}  // namespace instructblip::kernels::cpu
