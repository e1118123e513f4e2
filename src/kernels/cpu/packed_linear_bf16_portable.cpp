#include "kernels/cpu/pair_loops.h"

namespace instructblip::kernels::cpu {

PanelKernel pair_kernel_portable() {
  return {.most_rows = kMostRows,
          .most_rows_of_few = 4,
          .panels_of_many = 1,
          .rows_of_block = kPairRowsOfBlock,
          .inputs_of_block = kPairInputsOfBlock,
          .inputs_of_step = 2,
          .words_of_step = 1,
          .regroup = regroup_pairs,
          .run = run_pair_product,
          .run_block = run_pair_block};
}

}  // namespace instructblip::kernels::cpu
