// What a CUDA kernel is written with. nvcc maps these names to instructions, a C++ compiler to an
// emulator that checks them (emulator/): a kernel is written once, and is shown right on machines
// without a GPU. Kernels include this header, and use nothing of CUDA that is not in it.
//
// Shared memory is dynamic and is reached through dev::Shared only: explicit ld.shared and
// st.shared on the device, checked accesses in the emulator.
#pragma once

#include "kernels/cuda/types.h"  // IWYU pragma: export

#ifdef __CUDACC__
#include "kernels/cuda/device/copies.h"
#include "kernels/cuda/device/launch.h"
#include "kernels/cuda/device/matrices.h"
#include "kernels/cuda/device/mbarriers.h"
#include "kernels/cuda/device/threads.h"
#else
#include "kernels/cuda/emulator/kernel_side.h"
#endif
