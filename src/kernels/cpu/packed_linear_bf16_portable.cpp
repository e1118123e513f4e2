#include "kernels/cpu/pair_loops.h"

namespace instructblip::kernels::cpu {

PanelKernel pair_kernel_portable() {
  return pair_kernel(/*most_rows_of_few=*/4, /*panels_of_many=*/1);
}

}  // namespace instructblip::kernels::cpu
