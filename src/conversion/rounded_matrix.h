// A matrix on its way to fewer bits: what is stored of it, and what rounding did to it.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "checkpoint/tensor_store.h"
#include "instructblip/quantization.h"
#include "nn/packed_matrix.h"

namespace instructblip {

class RoundedMatrix {
 public:
  // Rounded to `format`, w8 or w4, as loading does it; on all threads of the runtime.
  RoundedMatrix(const nn::Runtime& runtime, const TensorEntry& entry,
                const std::shared_ptr<const TensorStore>& store, nn::Format format);

  // Elements and scales of all rows, see kernels/stored_rows.h.
  std::vector<std::byte> elements, scales;
  // Without name and module.
  MatrixError error;

 private:
  void compare(const nn::Runtime& runtime, const at::Tensor& values);

  nn::Format format_;
};

}  // namespace instructblip
