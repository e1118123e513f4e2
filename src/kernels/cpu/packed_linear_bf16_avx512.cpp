#include "kernels/cpu/pair_loops.h"

namespace instructblip::kernels::cpu {

PanelKernel pair_kernel_avx512_bf16() {
  return pair_kernel(/*most_rows_of_few=*/8, /*panels_of_many=*/2);
}

}  // namespace instructblip::kernels::cpu
