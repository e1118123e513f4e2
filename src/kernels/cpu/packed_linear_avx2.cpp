#include "kernels/cpu/panel_loops.h"

namespace instructblip::kernels::cpu {

PanelKernel panel_kernel_avx2() {
  return {.most_rows = kMostRows,
          .few_rows = 10,
          .most_rows_of_few = 6,
          .panels_of_many = 1,
          .rows_of_block = kRowsOfBlock,
          .inputs_of_block = kInputsOfBlock,
          .inputs_of_step = 1,
          .words_of_step = 1,
          .regroup = regroup,
          .run = run_panel_product,
          .run_block = run_panel_block};
}

}  // namespace instructblip::kernels::cpu
