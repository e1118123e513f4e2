// CUDA for the stages: a library of its own, which alone needs LibTorch's part for CUDA.
#include <ATen/Context.h>
#include <ATen/cuda/CUDAEvent.h>
#include <ATen/cuda/CUDAGraph.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "core/errors.h"
#include "instructblip/export.h"
#include "kernels/cuda/kernels.h"
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

// The stream that ATen's operations go into, so that kernels stand among them in their order.
class CurrentStream final : public kernels::cuda::Stream {
 public:
  explicit CurrentStream(const kernels::Machine& machine) : machine_(machine) {}

  void launch(std::string_view kernel, kernels::cuda::Launcher launcher) override {
    void* const stream = c10::cuda::getCurrentCUDAStream().stream();
    // Only what is compiled for 9.0 waits for the launch before; newer devices run what 8.0 does.
    const bool overlaps = machine_.cuda_capability == 90;
    check(static_cast<cudaError_t>(launcher(stream, overlaps)), std::string(kernel).c_str());
  }

 private:
  const kernels::Machine& machine_;
};

// A step as a CUDA graph. What it computes lies in memory that is its own, or, but for the result,
// other graphs' of the same pool too: none runs beside another.
class Graph final : public nn::RecordedStep {
 public:
  Graph(const std::function<at::Tensor()>& step, at::cuda::MempoolId_t pool) {
    // What threads of other runtimes do meanwhile, such as asking for memory, is none of its
    // business.
    graph_.capture_begin(pool, cudaStreamCaptureModeThreadLocal);
    try {
      result_ = step();
    } catch (...) {
      end_broken_capture();
      throw;
    }
    graph_.capture_end();
  }

  at::Tensor launch() override {
    graph_.replay();
    return result_;
  }

 private:
  void end_broken_capture() noexcept {
    try {
      graph_.capture_end();
    } catch (...) {  // it says again what has gone wrong
      cudaGetLastError();
    }
  }

  at::cuda::CUDAGraph graph_;
  at::Tensor result_;
};

class Event final : public nn::DeviceMark {
 public:
  Event() { event_.record(); }
  void wait() override { check(cudaEventSynchronize(event_.event()), "the device fails"); }

 private:
  at::cuda::CUDAEvent event_;  // without timing
};

class CudaDevice final : public nn::Device {
 public:
  explicit CudaDevice(int index) : index_(index) {
    cudaDeviceProp properties{};
    check(cudaGetDeviceProperties(&properties, index), "the device cannot be asked");
    machine_.cuda_capability = properties.major * 10 + properties.minor;
    machine_.cuda_processors = properties.multiProcessorCount;
    machine_.cuda_shared_bytes = static_cast<std::int64_t>(properties.sharedMemPerBlockOptin);
  }

  c10::Device where() const override {
    return {c10::DeviceType::CUDA, static_cast<c10::DeviceIndex>(index_)};
  }
  const kernels::Tables& tables() const override {
    static const kernels::Tables kTables = {.attention = {},
                                            .kv_append = {},
                                            .linear = {},
                                            .norm = {},
                                            .packed_linear = {},
                                            .paged_attention = {},
                                            .cuda = kernels::cuda::tables()};
    return kTables;
  }
  const kernels::Machine& machine() const override { return machine_; }
  kernels::cuda::Stream& stream() override { return stream_; }
  std::unique_ptr<nn::RecordedStep> record(const std::function<at::Tensor()>& step) override {
    return std::make_unique<Graph>(step, pool_);
  }

  nn::DeviceMemory memory() const override {
    std::size_t free = 0, total = 0;
    const c10::cuda::CUDAGuard there(static_cast<c10::DeviceIndex>(index_));
    check(cudaMemGetInfo(&free, &total), "the device cannot say how much memory it has");
    return {static_cast<std::int64_t>(free), static_cast<std::int64_t>(total)};
  }

  std::int64_t peak_memory() const override {
    namespace allocator = c10::cuda::CUDACachingAllocator;
    const auto index = static_cast<c10::DeviceIndex>(index_);
    constexpr auto kAll = static_cast<std::size_t>(c10::CachingAllocator::StatType::AGGREGATE);
    return allocator::getDeviceStats(index).allocated_bytes[kAll].peak;
  }

  // LibTorch keeps such memory until the copies from and to it are done.
  at::Tensor host_memory(at::IntArrayRef shape, at::ScalarType type) override {
    return at::empty(shape, nn::host(type).pinned_memory(true));
  }
  void wait() override {
    check(cudaStreamSynchronize(c10::cuda::getCurrentCUDAStream().stream()), "the device fails");
  }

  std::unique_ptr<nn::DeviceMark> mark() override { return std::make_unique<Event>(); }

  void enter() override {
    const auto index = static_cast<c10::DeviceIndex>(index_);
    c10::cuda::set_device(index);
    // Steps cannot be recorded on the stream that every thread has.
    c10::cuda::setCurrentCUDAStream(c10::cuda::getStreamFromPool(/*isHighPriority=*/false, index));
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
    c10::cuda::CUDACachingAllocator::resetPeakStats(index);
  }

 private:
  int index_;
  at::cuda::MempoolId_t pool_ = at::cuda::graph_pool_handle();
  kernels::Machine machine_;
  CurrentStream stream_{machine_};
};

std::unique_ptr<nn::Device> open(int index) { return std::make_unique<CudaDevice>(index); }

}  // namespace
}  // namespace instructblip

extern "C" INSTRUCTBLIP_API const instructblip::nn::DevicePlugin* instructblip_cuda(int version) {
  using namespace instructblip;
  static constexpr nn::DevicePlugin kPlugin = {.open = open};
  return version == nn::kDevicePluginVersion ? &kPlugin : nullptr;
}
