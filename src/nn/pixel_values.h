// Pictures as numbers, where a vision encoder reads them.
#pragma once

#include <ATen/core/Tensor.h>

#include "kernels/pixel_values.h"
#include "nn/runtime.h"

namespace instructblip::nn {

// Called on the runtime's thread alone.
class PixelValues {
 public:
  PixelValues(const Runtime& runtime, const kernels::PixelTable& table)
      : runtime_(&runtime), table_(table) {}
  PixelValues(const PixelValues&) = delete;
  PixelValues& operator=(const PixelValues&) = delete;

  // The bytes of pictures, [B, H, W, 3] uint8 in the host's memory, contiguous -> [B, 3, H, W]
  // where the runtime has its tensors, of the type that rows have. A device is given the bytes
  // where it has a kernel that looks them up.
  at::Tensor operator()(const at::Tensor& bytes) const;
  // The same in the host's memory, float32.
  at::Tensor here(const at::Tensor& bytes) const;

 private:
  at::Tensor on_device(const at::Tensor& bytes) const;  // undefined where it has no kernel

  const Runtime* runtime_;
  kernels::PixelTable table_;
  mutable at::Tensor table_there_;  // [3, 256] float32, once it is asked for
};

}  // namespace instructblip::nn
