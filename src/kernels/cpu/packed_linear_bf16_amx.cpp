#include "kernels/cpu/tile_loops.h"

namespace instructblip::kernels::cpu {

PanelKernel tile_kernel_amx() {
  return {.most_rows = 2 * kRowsOfTile,
          .most_rows_of_few = 0,
          .panels_of_many = 2,
          .rows_of_block = kPairRowsOfBlock,
          .inputs_of_block = kPairInputsOfBlock,
          .inputs_of_step = kInputsOfTile,
          .words_of_step = kWordsOfTile,
          .regroup = regroup_for_tiles,
          .run = nullptr,
          .run_block = run_tile_block};
}

}  // namespace instructblip::kernels::cpu
