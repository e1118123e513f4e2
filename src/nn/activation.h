// Activation functions, by the names that hub configs use.
#pragma once

#include <ATen/core/Tensor.h>

#include "config/language_config.h"
#include "nn/runtime.h"

namespace instructblip::nn {

// gelu        x/2 (1 + erf(x / sqrt 2))
// gelu_new    x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
// linear      x
// quick_gelu  x sigmoid(1.702 x)
// relu        max(x, 0)
// silu        x sigmoid(x)
at::Tensor activate(const Runtime& runtime, Activation activation, const at::Tensor& x);

}  // namespace instructblip::nn
