// Products of whole numbers of 8 bits, sixteen sums of 32 bits at a time, in whatever registers the
// file is compiled for; see lanes.h.
#pragma once

#include <cstddef>

#include "kernels/cpu/lanes.h"

#if defined(__AVX512VNNI__)
#include "kernels/cpu/byte_lanes_avx512.h"
#elif defined(__AVX2__)
#include "kernels/cpu/byte_lanes_avx2.h"
#else
#include "kernels/cpu/byte_lanes_portable.h"
#endif
