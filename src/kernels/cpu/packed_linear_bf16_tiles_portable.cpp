#include "kernels/cpu/tile_loops.h"

namespace instructblip::kernels::cpu {

PanelKernel tile_kernel_portable() { return tile_kernel(); }

}  // namespace instructblip::kernels::cpu
