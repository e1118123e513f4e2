// y = x w^T + bias + residual for few rows on a CUDA device: the contract of skinny.cu. What a
// decoding step spends its time on; the time is that of reading the weights once.
#pragma once

#include <cstdint>

#include "kernels/cuda/attention.h"

namespace instructblip::kernels::cuda {

struct SkinnyProblem {
  Element element = Element::f16;  // x, weights, bias and residual; sums are float32
  std::int32_t rows = 0;           // at most 32
  std::int32_t inputs = 0;         // a multiple of 8
  std::int32_t outputs = 0;
  bool wide = false;  // y is float32: logits
};

// All contiguous; x and weights are aligned to 16 bytes. y may be the residual.
struct SkinnyBuffers {
  const void* x;         // [rows, inputs]
  const void* weights;   // [outputs, inputs]
  const void* bias;      // [outputs], or null
  const void* residual;  // [rows, outputs], or null
  void* y;               // [rows, outputs]
};

// Why the kernel does not take such sizes; null: it does.
const char* skinny_refuses(const SkinnyProblem& problem);

// As attend(). The weights are read before the launch before has ended: it must not write them. A
// row has the same bits whatever is computed beside it.
[[nodiscard]] int multiply_skinny(const SkinnyProblem& problem, const SkinnyBuffers& buffers,
                                  void* stream, bool overlaps_previous);

}  // namespace instructblip::kernels::cuda
