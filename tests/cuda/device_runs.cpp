// A device in the place of the emulator: kernels are launched when tests call them, and what the
// emulator does with its queue is to wait for them.
#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "cuda/device_memory.h"
#include "cuda/device_time.h"
#include "emulator/running.h"

namespace {

std::int64_t launches = 0;

// Bulk copies, and launches that begin before the one before them has ended.
bool is_capability_9() {
  static const bool is = [] {
    cudaDeviceProp device;
    return cudaGetDeviceProperties(&device, 0) == cudaSuccess && device.major == 9;
  }();
  return is;
}

// Launches overlap in a stream of one's own.
cudaStream_t stream_of_tests() {
  static cudaStream_t stream = [] {
    cudaStream_t made = nullptr;
    if (cudaStreamCreateWithFlags(&made, cudaStreamNonBlocking) != cudaSuccess) made = nullptr;
    return made;
  }();
  return stream;
}

}  // namespace

// The linker puts it before cudaLaunchKernelExC (--wrap): tests name no stream.
extern "C" cudaError_t __real_cudaLaunchKernelExC(const cudaLaunchConfig_t* config,
                                                  const void* kernel, void** arguments);
extern "C" cudaError_t __wrap_cudaLaunchKernelExC(const cudaLaunchConfig_t* config,
                                                  const void* kernel, void** arguments) {
  cudaLaunchConfig_t own = *config;
  own.stream = stream_of_tests();
  if (!is_capability_9()) own.numAttrs = 0;  // that one may overlap, which is all that any says
  ++launches;
  return __real_cudaLaunchKernelExC(&own, kernel, arguments);
}

namespace instructblip::emulator {

// Often enough that a race which shows in one run of ten is seen: comparing bits finds what no
// tolerance does.
std::vector<Schedule> schedules() { return std::vector<Schedule>(20); }

std::vector<bool> with_and_without_bulk_copies() {
  return is_capability_9() ? std::vector<bool>{false, true} : std::vector<bool>{false};
}

Observed run_queue(const Schedule& /*schedule*/) {
  Observed observed;
  std::swap(observed.launches, launches);
  cudaError_t error = cudaGetLastError();
  const cudaError_t ran = cudaDeviceSynchronize();
  if (error == cudaSuccess) error = ran;
  if (error != cudaSuccess) {
    throw Fault(std::string("the device says: ") + cudaGetErrorString(error));
  }
  return observed;
}

}  // namespace instructblip::emulator

namespace instructblip::test {
namespace {

void expect_success(cudaError_t error) {
  if (error != cudaSuccess) throw std::runtime_error(cudaGetErrorString(error));
}

// The median of 15 runs of what `run` puts into the stream.
template <class Run>
double median_milliseconds(Run run) {
  cudaEvent_t begin = nullptr, end = nullptr;
  expect_success(cudaEventCreate(&begin));
  expect_success(cudaEventCreate(&end));
  std::vector<float> all;
  for (int i = 0; i < 18; ++i) {
    expect_success(cudaEventRecord(begin, stream_of_tests()));
    run();
    expect_success(cudaEventRecord(end, stream_of_tests()));
    expect_success(cudaEventSynchronize(end));
    float milliseconds = 0.0f;
    expect_success(cudaEventElapsedTime(&milliseconds, begin, end));
    if (i >= 3) all.push_back(milliseconds);
  }
  expect_success(cudaEventDestroy(begin));
  expect_success(cudaEventDestroy(end));
  std::ranges::sort(all);
  return double{all[all.size() / 2]};
}

}  // namespace

double microseconds_of(const std::function<void(int call)>& launch, int calls) {
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t recorded = nullptr;
  expect_success(cudaStreamBeginCapture(stream_of_tests(), cudaStreamCaptureModeRelaxed));
  for (int i = 0; i < calls; ++i) launch(i);
  expect_success(cudaStreamEndCapture(stream_of_tests(), &graph));
  expect_success(cudaGraphInstantiate(&recorded, graph, 0));
  const double milliseconds =
      median_milliseconds([&] { expect_success(cudaGraphLaunch(recorded, stream_of_tests())); });
  expect_success(cudaGraphExecDestroy(recorded));
  expect_success(cudaGraphDestroy(graph));
  return milliseconds * 1e3 / calls;
}

double copied_bytes_per_second() {
  constexpr std::size_t kBytes = std::size_t{1} << 30;
  void *from = take_device_memory(kBytes), *to = take_device_memory(kBytes);
  fill_device_memory(from, 1, kBytes);
  const double milliseconds = median_milliseconds([&] {
    expect_success(cudaMemcpyAsync(to, from, kBytes, cudaMemcpyDeviceToDevice, stream_of_tests()));
  });
  give_back_device_memory(from);
  give_back_device_memory(to);
  return 2.0 * kBytes / (milliseconds * 1e-3);
}

}  // namespace instructblip::test
