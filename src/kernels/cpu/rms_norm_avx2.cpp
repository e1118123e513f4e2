#include "kernels/cpu/rms_norm_loops.h"

namespace instructblip::kernels::cpu {

RmsNormRow rms_norm_row_avx2() { return rms_norm_row(); }

}  // namespace instructblip::kernels::cpu
