#include "nn/activation.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/tanh.h>

#include <cmath>
#include <numbers>

#include "nn/device_rows.h"
#include "nn/product.h"

namespace instructblip::nn {

namespace {

at::Tensor apply(Activation activation, const at::Tensor& x) {
  switch (activation) {
    case Activation::gelu:
      return at::gelu(x);
    case Activation::gelu_new:
      // In the reference's order of operations; at::gelu's own approximation rounds differently.
      return 0.5 * x *
             (1.0 + at::tanh(std::sqrt(2.0 / std::numbers::pi) * (x + 0.044715 * at::pow(x, 3.0))));
    case Activation::linear:
      return x;
    case Activation::quick_gelu:
      return x * at::sigmoid(1.702 * x);
    case Activation::relu:
      return at::relu(x);
    case Activation::silu:
      return at::silu(x);
  }
  return x;
}

}  // namespace

at::Tensor activate(const Runtime& runtime, Activation activation, const at::Tensor& x) {
  const at::Tensor y = activated_on_device(runtime, activation, x, /*gated=*/false);
  if (y.defined()) return y;
  return elementwise(runtime, x, [&](const at::Tensor& rows) { return apply(activation, rows); });
}

}  // namespace instructblip::nn
