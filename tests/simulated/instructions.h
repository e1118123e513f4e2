// Read before all else in sources for processors that are not at hand (-include): functions in the
// place of their instructions. INSTRUCTBLIP_SIMULATED is 1 for AVX-512, 2 with VNNI, 3 with BF16, 4
// with AMX too, and 5 for AVX-VNNI.
#pragma once

#if INSTRUCTBLIP_SIMULATED == 5
#include "simulated/avx_vnni.h"
#else
#include "simulated/avx512.h"
#endif
