// The launch of dev.h for nvcc. Included by dev.h only.
#pragma once

#include <cuda_runtime.h>

#include "kernels/cuda/types.h"

namespace instructblip::kernels::dev {

// Puts a launch into the stream. Returns 0, or the cudaError_t.
template <class... P, class... A>
[[nodiscard]] inline int launch(const LaunchConfig& config, void (*kernel)(P...), A... arguments) {
  constexpr std::size_t kWithoutAsking = 48 * 1024;
  if (config.shared_bytes > kWithoutAsking) {
    const cudaError_t refused = cudaFuncSetAttribute(
        kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(config.shared_bytes));
    if (refused != cudaSuccess) return refused;
  }
  cudaLaunchAttribute overlap;
  overlap.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  overlap.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t launch = {};
  launch.gridDim = dim3(config.blocks.x, config.blocks.y, config.blocks.z);
  launch.blockDim = dim3(config.threads);
  launch.dynamicSmemBytes = config.shared_bytes;
  launch.stream = static_cast<cudaStream_t>(config.stream);
  launch.attrs = &overlap;
  launch.numAttrs = config.overlaps_previous ? 1 : 0;
  return cudaLaunchKernelEx(&launch, kernel, P(arguments)...);
}

}  // namespace instructblip::kernels::dev
