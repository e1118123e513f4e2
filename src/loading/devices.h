// Which device a model runs on.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "core/cuda_driver.h"
#include "instructblip/pipeline.h"
#include "nn/runtime.h"
#include "nn/weights.h"

namespace instructblip {

struct DeviceChoice {
  std::optional<int> cuda;   // its index; none: the processor
  std::string why_not = {};  // why DeviceType::automatic took the processor
};

// What `options` asks for, where it can be had. Throws Error(invalid_argument) where it cannot, and
// for options that the device does not take.
DeviceChoice choose_device(const LoadOptions& options);
DeviceChoice choose_device(const LoadOptions& options, const CudaDriver& driver,
                           const std::string& plugin);

// "cpu", "cuda:0".
std::string name_of(const DeviceChoice& choice);

// A runtime on the CUDA device of this index, whose rows are f32, f16 or bf16, and whose kernels
// may be forced (LoadOptions::kernels). Opens our part for CUDA, and LibTorch's with it.
std::unique_ptr<nn::Runtime> make_cuda_runtime(int index, int threads,
                                               nn::Format rows = nn::Format::f32,
                                               const std::string& kernels = {});

// Throws Error(out_of_memory) where weights that take so many bytes, and are read as `as` says, are
// more than the device of `runtime` has free.
void check_memory(const nn::Runtime& runtime, std::int64_t bytes, const nn::ReadAs& as);

}  // namespace instructblip
