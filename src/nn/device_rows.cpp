#include "nn/device_rows.h"

#include <algorithm>
#include <vector>

namespace instructblip::nn {
namespace {

namespace cuda = kernels::cuda;

at::Tensor with_last(const Runtime& runtime, const at::Tensor& x, std::int64_t width,
                     at::ScalarType type) {
  std::vector<std::int64_t> shape = x.sizes().vec();
  shape.back() = width;
  return runtime.empty(shape, type);
}

}  // namespace

std::optional<cuda::Element> element_of(at::ScalarType type) {
  if (type == at::kHalf) return cuda::Element::f16;
  if (type == at::kBFloat16) return cuda::Element::bf16;
  return std::nullopt;
}

std::int32_t row_count(const at::Tensor& x) {
  return static_cast<std::int32_t>(x.numel() / std::max<std::int64_t>(1, x.size(-1)));
}

std::optional<cuda::Activation> kernel_name_of(Activation activation) {
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

at::Tensor normalized_on_device(const Runtime& runtime, const Sum& sum,
                                const NormWeights& weights) {
  const Sum::Parts* const parts = sum.parts();
  const at::Tensor x = parts == nullptr ? sum.value() : parts->rows;
  const auto element = element_of(x.scalar_type());
  if (!element || !weights.weight.defined()) return {};
  const cuda::NormProblem problem{.element = *element,
                                  .rows = row_count(x),
                                  .width = static_cast<std::int32_t>(x.size(-1)),
                                  .eps = static_cast<float>(weights.eps),
                                  .centred = weights.centred};
  const auto* const kernel = runtime.device_kernel(runtime.tables().cuda.norm, problem);
  if (kernel == nullptr) return {};
  const at::Tensor from = x.contiguous();
  const at::Tensor y = with_last(runtime, x, x.size(-1), x.scalar_type());
  at::Tensor added, whole;
  if (parts != nullptr) {
    added = parts->plus.contiguous();
    whole = with_last(runtime, x, x.size(-1), x.scalar_type());
  }
  kernel->run(problem,
              {.x = address_of(from),
               .added = address_of(added),
               .sum = whole.defined() ? whole.mutable_data_ptr() : nullptr,
               .weight = address_of(weights.weight),
               .bias = address_of(weights.bias),
               .y = y.mutable_data_ptr()},
              runtime.stream());
  if (parts != nullptr) sum.settle(whole);
  return y;
}

at::Tensor activated_on_device(const Runtime& runtime, Activation activation, const at::Tensor& x,
                               bool gated) {
  const auto element = element_of(x.scalar_type());
  const auto name = kernel_name_of(activation);
  if (!element || !name) return {};
  const std::int64_t width = x.size(-1) / (gated ? 2 : 1);
  const cuda::ActivationProblem problem{.element = *element,
                                        .activation = *name,
                                        .rows = row_count(x),
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

}  // namespace instructblip::nn
