#include "nn/patches.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/conv2d.h>

#include "nn/product.h"

namespace instructblip::nn {

PatchEmbedding::PatchEmbedding(const Weights& weights, std::int64_t width, std::int64_t size,
                               Linear::Bias bias)
    : runtime_(&weights.runtime()),
      size_(size),
      weight_(weights.vector("weight", {width, 3, size, size})) {
  if (bias == Linear::Bias::present) bias_ = weights.vector("bias", {width});
}

at::Tensor PatchEmbedding::operator()(const at::Tensor& pixels) const {
  const bool half = weight_.scalar_type() != at::kFloat;  // a product, which adds up in float32
  if (!uses_linear_kernel(*runtime_) && !half) {
    return at::conv2d(pixels, weight_, bias_, {size_, size_})  // [B, V, h, w]
        .flatten(2)
        .transpose(1, 2);
  }
  const at::Tensor cut =
      pixels.unfold(2, size_, size_).unfold(3, size_, size_);  // [B, 3, h, w, p, p]
  const at::Tensor patches =
      cut.permute({0, 2, 3, 1, 4, 5})
          .reshape({pixels.size(0), cut.size(2) * cut.size(3), 3 * size_ * size_})
          .to(weight_.scalar_type());
  const at::Tensor rows = product(*runtime_, patches, weight_.flatten(1));
  return bias_.defined() ? rows + bias_ : rows;
}

}  // namespace instructblip::nn
