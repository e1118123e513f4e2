#include "kernels/cpu/tile_loops.h"

namespace instructblip::kernels::cpu {

PanelKernel tile_kernel_amx() { return tile_kernel(); }

}  // namespace instructblip::kernels::cpu
