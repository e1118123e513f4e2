#include "nn/product.h"

#include <ATen/ops/matmul.h>

#include "nn/fixed_order.h"

namespace instructblip::nn {

at::Tensor product(const Runtime& runtime, const at::Tensor& a, const at::Tensor& b) {
  return runtime.deterministic() ? fixed_order_product(a, b) : at::matmul(a, b.transpose(-1, -2));
}

}  // namespace instructblip::nn
