#include "cuda/device_memory.h"

#include <cuda_runtime_api.h>

#include <stdexcept>

namespace instructblip::test {
namespace {

void expect_success(cudaError_t error) {
  if (error != cudaSuccess) throw std::runtime_error(cudaGetErrorString(error));
}

}  // namespace

void* take_device_memory(std::size_t bytes) {
  void* block = nullptr;
  expect_success(cudaMalloc(&block, bytes));
  return block;
}
void give_back_device_memory(void* block) { cudaFree(block); }
void copy_memory(void* to, const void* from, std::size_t bytes) {
  expect_success(cudaMemcpy(to, from, bytes, cudaMemcpyDefault));
  expect_success(cudaDeviceSynchronize());
}
void fill_device_memory(void* block, int byte, std::size_t bytes) {
  expect_success(cudaMemset(block, byte, bytes));
  expect_success(cudaDeviceSynchronize());
}

}  // namespace instructblip::test
