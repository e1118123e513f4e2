// Functions that a product may apply to its results. Known to files of one instruction set, so it
// includes nothing that brings functions with it.
#pragma once

namespace instructblip::kernels {

enum class Activation {
  none,
  relu,
  gelu,        // x/2 (1 + erf(x / sqrt 2))
  gelu_new,    // x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
  quick_gelu,  // x sigmoid(1.702 x)
  silu,        // x sigmoid(x)
};

}  // namespace instructblip::kernels
