// Kernels of a CUDA device and LibTorch's for the same work, in one process: microseconds of a call
// in a graph, a line of JSON for each size. `best_over_ours` above 1: ours is faster.
//
//   build-device/bin/device_kernels [attention] [step_attention] [products]
#include <cstdio>
#include <exception>
#include <map>
#include <memory>
#include <string>

#include "benchmark/device_limits.h"
#include "device_timer.h"
#include "loading/devices.h"

namespace {

using namespace instructblip;
using namespace instructblip::benchmarks;

void run(int count, char** names) {
  const std::map<std::string, void (*)(DeviceTimer&)> parts = {
      {"attention", benchmark_attention},
      {"step_attention", benchmark_step_attention},
      {"products", benchmark_products}};
  const auto runtime = make_cuda_runtime(0, 1, nn::Format::bf16);
  auto& device = dynamic_cast<nn::DeviceRuntime&>(*runtime);
  BenchmarkLimits limits;
  sample_device_limits(limits, device, std::int64_t{1} << 30);
  std::printf("{\"what\": \"limits\", \"copied_gbps\": %.0f, \"product_gflops\": %.0f}\n",
              limits.read_gbps, limits.peak_gflops);
  DeviceTimer timer(device);
  for (const auto& [name, benchmark] : parts) {
    bool asked = count == 0;
    for (int i = 0; i < count; ++i) asked |= name == names[i];
    if (asked) device.run([&] { benchmark(timer); });
  }
}

}  // namespace

int main(int count, char** arguments) {
  try {
    run(count - 1, arguments + 1);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "device_kernels: error: %s\n", error.what());
    return 1;
  }
}
