#include "nn/normalization.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/rsqrt.h>

#include "nn/device_rows.h"

namespace instructblip::nn {

LayerNorm::LayerNorm(const Weights& weights, std::int64_t width, double eps)
    : runtime_(&weights.runtime()),
      weight_(weights.vector("weight", {width})),
      bias_(weights.vector("bias", {width})),
      eps_(eps) {}

at::Tensor LayerNorm::operator()(const at::Tensor& x) const {
  const at::Tensor y = normalized_on_device(*runtime_, x, {weight_, bias_, eps_, true});
  if (y.defined()) return y;
  return at::layer_norm(x, {x.size(-1)}, weight_, bias_, eps_);
}

RmsNorm::RmsNorm(const Weights& weights, std::int64_t width, double eps)
    : runtime_(&weights.runtime()), weight_(weights.vector("weight", {width})), eps_(eps) {}

at::Tensor RmsNorm::operator()(const at::Tensor& x) const {
  const at::Tensor y = normalized_on_device(*runtime_, x, {weight_, {}, eps_, false});
  if (y.defined()) return y;
  const at::Tensor wide = x.to(at::kFloat);  // itself, but in half precision
  const at::Tensor mean_square = wide.pow(2).mean(-1, /*keepdim=*/true);
  return weight_ * (wide * at::rsqrt(mean_square + eps_)).to(x.scalar_type());
}

}  // namespace instructblip::nn
