#include "nn/normalization.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/rsqrt.h>

#include <algorithm>

#include "kernels/norm.h"
#include "nn/arithmetic.h"
#include "nn/device_rows.h"
#include "nn/gradients.h"

namespace instructblip::nn {
namespace {

bool forces_kernel(const Runtime& runtime) { return runtime.forces(runtime.tables().norm); }

// Not where numerics ask for the composition, or rows are watched.
bool takes_kernel(const Runtime& runtime, const NormWeights& w, bool rounds = false) {
  const bool fast = runtime.numerics() == Numerics::fast && (rounds || !w.centred);
  return (fast || forces_kernel(runtime)) && w.weight.defined() &&
         w.weight.scalar_type() == at::kFloat && !runtime.tables().norm.empty() && !is_watched();
}

const float* numbers_of(const at::Tensor& vector) {
  return vector.defined() ? vector.const_data_ptr<float>() : nullptr;
}

// By a kernel of the processor, or undefined.
at::Tensor normalized_by_kernel(const Runtime& runtime, const at::Tensor& x, const NormWeights& w) {
  if (!takes_kernel(runtime, w) || x.scalar_type() != at::kFloat) return {};
  const at::Tensor rows = x.contiguous();
  const kernels::NormProblem problem{
      .rows = rows.numel() / std::max<std::int64_t>(1, rows.size(-1)),
      .width = rows.size(-1),
      .eps = static_cast<float>(w.eps),
      .centred = w.centred};
  const at::Tensor y = runtime.empty(rows.sizes().vec(), at::kFloat);
  runtime.kernel(runtime.tables().norm, problem)
      .run(problem,
           {.x = rows.const_data_ptr<float>(),
            .weight = numbers_of(w.weight),
            .bias = numbers_of(w.bias),
            .y = y.mutable_data_ptr<float>()},
           runtime.queue());
  return y;
}

at::Tensor composed(const at::Tensor& x, const NormWeights& w) {
  if (w.centred) return at::layer_norm(x, {x.size(-1)}, w.weight, w.bias, w.eps);
  const at::Tensor wide = x.to(at::kFloat);  // itself, but in half precision
  const at::Tensor mean_square = wide.pow(2).mean(-1, /*keepdim=*/true);
  return w.weight * (wide * at::rsqrt(mean_square + w.eps)).to(x.scalar_type());
}

}  // namespace

at::Tensor Normed::like() const {
  return rows_.parts() == nullptr ? rows_.value() : rows_.parts()->rows;
}

at::Tensor Normed::value() const { return norm_ == nullptr ? rows_.value() : (*norm_)(rows_); }

std::optional<NormInProduct> Normed::in_product(bool rounds) const {
  return norm_ == nullptr ? std::nullopt : norm_->in_product(rounds);
}

Norm::Norm(const Runtime& runtime, NormWeights weights, double factor)
    : runtime_(&runtime), weights_(std::move(weights)), factor_(factor) {
  // Rows of half precision are not those of the reference to the bit: one product less there.
  if (factor == 1.0 || runtime.row_type() == at::kFloat || weights_.weight.is_meta()) return;
  weights_.weight = weights_.weight * std::exchange(factor_, 1.0);
}

at::Tensor Norm::operator()(const Sum& x) const {
  at::Tensor y = normalized_on_device(*runtime_, x, weights_);
  if (!y.defined()) y = normalized_by_kernel(*runtime_, x.value(), weights_);
  if (!y.defined()) y = composed(x.value(), weights_);
  return scaled(y, factor_);
}

// A kernel that is forced is one by itself.
std::optional<NormInProduct> Norm::in_product(bool rounds) const {
  if (factor_ != 1.0 || forces_kernel(*runtime_)) return {};
  if (!takes_kernel(*runtime_, weights_, rounds)) return {};
  return NormInProduct{.weight = numbers_of(weights_.weight),
                       .bias = numbers_of(weights_.bias),
                       .eps = static_cast<float>(weights_.eps),
                       .centred = weights_.centred};
}

LayerNorm::LayerNorm(const Weights& weights, std::int64_t width, double eps)
    : Norm(weights.runtime(), {.weight = weights.vector("weight", {width}),
                               .bias = weights.vector("bias", {width}),
                               .eps = eps,
                               .centred = true}) {}

LayerNorm::LayerNorm(const Runtime& runtime, double eps)
    : Norm(runtime, {.weight = {}, .eps = eps, .centred = true}) {}

RmsNorm::RmsNorm(const Weights& weights, std::int64_t width, double eps, double factor)
    : Norm(weights.runtime(),
           {.weight = weights.vector("weight", {width}), .eps = eps, .centred = false}, factor) {}

}  // namespace instructblip::nn
