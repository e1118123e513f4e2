#include "nn/similarity.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/amax.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/softmax.h>

#include "nn/product.h"

namespace instructblip::nn {

at::Tensor unit_rows(const at::Tensor& x) {
  constexpr double kLeastNorm = 1e-12;
  return x / at::linalg_vector_norm(x, 2.0, at::IntArrayRef{-1}, /*keepdim=*/true)
                 .clamp_min(kLeastNorm);
}

at::Tensor greatest_cosines(const Runtime& runtime, const at::Tensor& picture,
                            const at::Tensor& texts) {
  return at::amax(product(runtime, picture, texts), {1});
}

at::Tensor mean_of_rows(const at::Tensor& x) { return x.mean(1); }

at::Tensor probabilities(const at::Tensor& logits) { return at::softmax(logits, -1); }

}  // namespace instructblip::nn
