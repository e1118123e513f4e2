// CUDA for the stages: a library of its own, which alone needs LibTorch's part for CUDA.
#include <ATen/Context.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>
#include <c10/cuda/CUDAFunctions.h>
#include <cuda_runtime_api.h>

#include <memory>
#include <string>

#include "core/errors.h"
#include "instructblip/export.h"
#include "nn/device.h"

namespace instructblip {
namespace {

void check(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  cudaGetLastError();  // an error that is not sticky is not to be found by the next call
  throw Error(
      error == cudaErrorMemoryAllocation ? ErrorCode::out_of_memory : ErrorCode::unsupported,
      std::string("CUDA: ") + what + ": " + cudaGetErrorString(error),
      "instructblip doctor shows what the driver says");
}

class CudaDevice final : public nn::Device {
 public:
  explicit CudaDevice(int index) : index_(index) {
    cudaDeviceProp properties{};
    check(cudaGetDeviceProperties(&properties, index), "the device cannot be asked");
    machine_.cuda_capability = properties.major * 10 + properties.minor;
  }

  c10::Device where() const override {
    return {c10::DeviceType::CUDA, static_cast<c10::DeviceIndex>(index_)};
  }
  const kernels::Tables& tables() const override {
    static constexpr kernels::Tables none = {
        .kv_append = {}, .linear = {}, .packed_linear = {}, .paged_attention = {}};
    return none;
  }
  const kernels::Machine& machine() const override { return machine_; }

  nn::DeviceMemory memory() const override {
    std::size_t free = 0, total = 0;
    check(cudaSetDevice(index_), "the device cannot be chosen");
    check(cudaMemGetInfo(&free, &total), "the device cannot say how much memory it has");
    return {static_cast<std::int64_t>(free), static_cast<std::int64_t>(total)};
  }

  void enter() override {
    c10::cuda::set_device(static_cast<c10::DeviceIndex>(index_));
    // float32 as the processor computes it, in an order that does not change from run to run.
    at::Context& context = at::globalContext();
    context.setAllowTF32CuBLAS(false);
    context.setAllowTF32CuDNN(false);
    context.setDeterministicCuDNN(true);
    context.setBenchmarkCuDNN(false);
    // The first product starts the libraries that products need: here, and not in the first answer.
    const at::Tensor zeros = at::zeros({16, 16}, nn::host(at::kFloat).device(where()));
    at::mm(zeros, zeros);
    check(cudaDeviceSynchronize(), "the device does not compute");
  }

 private:
  int index_;
  kernels::Machine machine_;
};

std::unique_ptr<nn::Device> open(int index) { return std::make_unique<CudaDevice>(index); }

}  // namespace
}  // namespace instructblip

extern "C" INSTRUCTBLIP_API const instructblip::nn::DevicePlugin* instructblip_cuda(int version) {
  using namespace instructblip;
  static constexpr nn::DevicePlugin kPlugin = {.open = open};
  return version == nn::kDevicePluginVersion ? &kPlugin : nullptr;
}
