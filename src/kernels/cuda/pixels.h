// Pictures on a CUDA device, equal to the bit to those of the CPU: the contract of pixels.cu. The
// axes are resampled as kernels/resample.h says; what a byte becomes is looked up, so that whose
// arithmetic makes it of a byte is settled on the host.
#pragma once

#include <cstdint>

#include "kernels/cuda/attention.h"
#include "kernels/resample.h"

namespace instructblip::kernels::cuda {

// As attend(), of buffers in the memory of the device.
[[nodiscard]] int resample_axis(const ResampleProblem& problem, const ResampleBuffers& buffers,
                                void* stream, bool overlaps_previous);

struct PixelValuesProblem {
  bool wide = false;  // values are float32; else of the element type
  Element element = Element::f16;
  std::int32_t height = 0, width = 0;            // what goes out
  std::int32_t kept_height = 0, kept_width = 0;  // what comes in
  std::int32_t top = 0, left = 0;                // where it is put down; around it is a margin
};

struct PixelValuesBuffers {
  const std::uint8_t* in;  // [kept_height, kept_width, 3]
  const float* values;     // [3, 256]; those of the byte 0 are the margin's
  void* out;               // [3, height, width]
};

// Why the kernel does not take such sizes; null: it does.
const char* pixel_values_refuse(const PixelValuesProblem& problem);

// As attend().
[[nodiscard]] int look_up_pixel_values(const PixelValuesProblem& problem,
                                       const PixelValuesBuffers& buffers, void* stream,
                                       bool overlaps_previous);

}  // namespace instructblip::kernels::cuda
