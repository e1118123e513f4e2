// What is computed of one row alone on a CUDA device: the contracts of rows.cu.
#pragma once

#include <cstdint>

#include "kernels/cuda/attention.h"

namespace instructblip::kernels::cuda {

// y = (x - mean) / sqrt(variance + eps) * weight + bias, with the biased variance, or without the
// mean, which makes it y = x / sqrt(mean(x^2) + eps) * weight (RMSNorm). Sums are float32.
struct NormProblem {
  Element element = Element::f16;
  std::int32_t rows = 0;
  std::int32_t width = 0;  // a multiple of 8, at most 16384
  float eps = 0.0f;
  bool centred = true;  // false: RMSNorm
};

// All contiguous, aligned to 16 bytes, of the element type. y may be x.
struct NormBuffers {
  const void* x;       // [rows, width]
  const void* added;   // the same, added to x before; or null
  void* sum;           // where x + added goes, rounded, which is what is normalised; or null
  const void* weight;  // [width]
  const void* bias;    // [width], or null
  void* y;             // [rows, width]
};

// Why the kernel does not take such sizes; null: it does.
const char* norm_refuses(const NormProblem& problem);

// As attend().
[[nodiscard]] int normalize(const NormProblem& problem, const NormBuffers& buffers, void* stream,
                            bool overlaps_previous);

enum class Activation {
  relu,
  gelu,
  gelu_new,
  quick_gelu,
  silu
};  // gelu is the exact one, with erf

// y = f(x + bias), or, gated, y = f(x) * g where a row of input is x, then g.
struct ActivationProblem {
  Element element = Element::f16;
  Activation activation = Activation::gelu;
  std::int32_t rows = 0;
  std::int32_t width = 0;  // a row of y: a multiple of 8
  bool gated = false;
};

// y may be x where it is not gated.
struct ActivationBuffers {
  const void* x;     // [rows, width], or [rows, 2 * width]
  const void* bias;  // [width], or null; null if gated
  void* y;           // [rows, width]
};

// Why the kernel does not take such sizes; null: it does.
const char* activation_refuses(const ActivationProblem& problem);

// As attend().
[[nodiscard]] int activate(const ActivationProblem& problem, const ActivationBuffers& buffers,
                           void* stream, bool overlaps_previous);

}  // namespace instructblip::kernels::cuda
