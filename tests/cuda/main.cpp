// Runs the tests of kernels on the first CUDA device. Without one, or with one that lacks what they
// use, says so and skips them.
#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <exception>
#include <iostream>
#include <string>

#include "cuda/mapped_memory.h"

namespace {

// Empty: there is one.
std::string why_no_device() {
  int count = 0;
  if (const cudaError_t error = cudaGetDeviceCount(&count); error != cudaSuccess) {
    return cudaGetErrorString(error);
  }
  if (count == 0) return "there is none";
  cudaDeviceProp device;
  if (const cudaError_t error = cudaGetDeviceProperties(&device, 0); error != cudaSuccess) {
    return cudaGetErrorString(error);
  }
  std::cout << "device: " << device.name << ", " << device.multiProcessorCount
            << " multiprocessors, L2 " << (device.l2CacheSize >> 20) << " MiB" << std::endl;
  if (device.major < 8) return std::string(device.name) + " is older";
  return {};
}

class WithoutDevice : public testing::Environment {
 public:
  explicit WithoutDevice(std::string why) : why_(std::move(why)) {}
  void SetUp() override { GTEST_SKIP() << "no CUDA device of capability 8.0 or higher: " << why_; }

 private:
  std::string why_;
};

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (testing::GTEST_FLAG(list_tests)) return RUN_ALL_TESTS();
  const std::string why = why_no_device();
  if (!why.empty()) {
    testing::AddGlobalTestEnvironment(new WithoutDevice(why));
    return RUN_ALL_TESTS();
  }
  try {
    instructblip::test::open_mapped_memory();
  } catch (const std::exception& error) {
    std::cerr << "cuda_kernels_test: no mapped memory: " << error.what() << "\n";
    return 1;
  }
  return RUN_ALL_TESTS();
}
