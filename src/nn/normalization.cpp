#include "nn/normalization.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/rsqrt.h>

namespace instructblip::nn {

LayerNorm::LayerNorm(const Weights& weights, std::int64_t width, double eps)
    : weight_(weights.vector("weight", {width})),
      bias_(weights.vector("bias", {width})),
      eps_(eps) {}

at::Tensor LayerNorm::operator()(const at::Tensor& x) const {
  return at::layer_norm(x, {x.size(-1)}, weight_, bias_, eps_);
}

RmsNorm::RmsNorm(const Weights& weights, std::int64_t width, double eps)
    : weight_(weights.vector("weight", {width})), eps_(eps) {}

at::Tensor RmsNorm::operator()(const at::Tensor& x) const {
  const at::Tensor mean_square = x.pow(2).mean(-1, /*keepdim=*/true);
  return weight_ * (x * at::rsqrt(mean_square + eps_));
}

}  // namespace instructblip::nn
