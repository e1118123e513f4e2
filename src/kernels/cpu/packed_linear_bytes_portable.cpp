#include "kernels/cpu/byte_loops.h"

namespace instructblip::kernels::cpu {

ByteKernel byte_kernel_portable() {
  return {.most_rows = kMostByteRows,
          .panels = kBytePanels,
          .round = round_rows,
          .run = run_byte_product};
}

}  // namespace instructblip::kernels::cpu
