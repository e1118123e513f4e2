// Memory of the device, for tests that include kernels' headers, whose words are not CUDA's there.
#pragma once

#include <cstddef>

namespace instructblip::test {

// All of them throw what CUDA says. Copies go between any two places, and have ended.
void* take_device_memory(std::size_t bytes);
void give_back_device_memory(void* block);
void copy_memory(void* to, const void* from, std::size_t bytes);
void fill_device_memory(void* block, int byte, std::size_t bytes);

}  // namespace instructblip::test
