#include "nn/device_rows.h"

#include <algorithm>
#include <vector>

namespace instructblip::nn {
namespace {

namespace cuda = kernels::cuda;

std::int32_t rows_of(const at::Tensor& x) {
  return static_cast<std::int32_t>(x.numel() / std::max<std::int64_t>(1, x.size(-1)));
}

at::Tensor with_last(const Runtime& runtime, const at::Tensor& x, std::int64_t width,
                     at::ScalarType type) {
  std::vector<std::int64_t> shape = x.sizes().vec();
  shape.back() = width;
  return runtime.empty(shape, type);
}

std::optional<cuda::Activation> named(Activation activation) {
  switch (activation) {
    case Activation::gelu:
      return cuda::Activation::gelu;
    case Activation::gelu_new:
      return cuda::Activation::gelu_new;
    case Activation::quick_gelu:
      return cuda::Activation::quick_gelu;
    case Activation::relu:
      return cuda::Activation::relu;
    case Activation::silu:
      return cuda::Activation::silu;
    case Activation::linear:
      break;
  }
  return std::nullopt;
}

}  // namespace

std::optional<cuda::Element> element_of(at::ScalarType type) {
  if (type == at::kHalf) return cuda::Element::f16;
  if (type == at::kBFloat16) return cuda::Element::bf16;
  return std::nullopt;
}

at::Tensor normalized_on_device(const Runtime& runtime, const at::Tensor& x,
                                const NormWeights& weights) {
  const auto element = element_of(x.scalar_type());
  if (!element || !weights.weight.defined()) return {};
  const cuda::NormProblem problem{.element = *element,
                                  .rows = rows_of(x),
                                  .width = static_cast<std::int32_t>(x.size(-1)),
                                  .eps = static_cast<float>(weights.eps),
                                  .centred = weights.centred};
  const auto* const kernel = runtime.device_kernel(runtime.tables().cuda.norm, problem);
  if (kernel == nullptr) return {};
  const at::Tensor from = x.contiguous();
  const at::Tensor y = with_last(runtime, x, x.size(-1), x.scalar_type());
  kernel->run(problem,
              {.x = address_of(from),
               .added = nullptr,
               .sum = nullptr,
               .weight = address_of(weights.weight),
               .bias = address_of(weights.bias),
               .y = y.mutable_data_ptr()},
              runtime.stream());
  return y;
}

at::Tensor activated_on_device(const Runtime& runtime, Activation activation, const at::Tensor& x,
                               bool gated) {
  const auto element = element_of(x.scalar_type());
  const auto name = named(activation);
  if (!element || !name) return {};
  const std::int64_t width = x.size(-1) / (gated ? 2 : 1);
  const cuda::ActivationProblem problem{.element = *element,
                                        .activation = *name,
                                        .rows = rows_of(x),
                                        .width = static_cast<std::int32_t>(width),
                                        .gated = gated};
  const auto* const kernel = runtime.device_kernel(runtime.tables().cuda.activation, problem);
  if (kernel == nullptr) return {};
  const at::Tensor from = x.contiguous();
  const at::Tensor y = with_last(runtime, x, width, x.scalar_type());
  kernel->run(problem, {.x = address_of(from), .bias = nullptr, .y = y.mutable_data_ptr()},
              runtime.stream());
  return y;
}

at::Tensor product_on_device(const Runtime& runtime, const at::Tensor& x, const ProductWith& with) {
  const auto element = element_of(x.scalar_type());
  const at::Tensor& weight = with.weight;
  if (!element || weight.scalar_type() != x.scalar_type() || !weight.is_contiguous()) return {};
  const cuda::SkinnyProblem problem{.element = *element,
                                    .rows = rows_of(x),
                                    .inputs = static_cast<std::int32_t>(weight.size(1)),
                                    .outputs = static_cast<std::int32_t>(weight.size(0)),
                                    .wide = with.wide};
  const auto* const kernel = runtime.device_kernel(runtime.tables().cuda.skinny, problem);
  if (kernel == nullptr) return {};
  const at::Tensor from = x.contiguous();
  const at::Tensor plus = with.plus.defined() ? with.plus.contiguous() : with.plus;
  const at::Tensor y =
      with_last(runtime, x, problem.outputs, with.wide ? at::kFloat : x.scalar_type());
  kernel->run(problem,
              {.x = address_of(from),
               .weights = address_of(weight),
               .bias = address_of(with.bias),
               .residual = address_of(plus),
               .y = y.mutable_data_ptr()},
              runtime.stream());
  return y;
}

}  // namespace instructblip::nn
