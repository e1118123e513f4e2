#include "vision/patches.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/conv2d.h>

#include "nn/fixed_order.h"

namespace instructblip {

at::Tensor embed_patches(const at::Tensor& pixels, const at::Tensor& weight,
                         const at::Tensor& bias) {
  const std::int64_t size = weight.size(2);
  if (!nn::fixed_order()) {
    return at::conv2d(pixels, weight, bias, {size, size})  // [B, V, h, w]
        .flatten(2)
        .transpose(1, 2);
  }
  const at::Tensor cut = pixels.unfold(2, size, size).unfold(3, size, size);  // [B, 3, h, w, p, p]
  const at::Tensor patches =
      cut.permute({0, 2, 3, 1, 4, 5})
          .reshape({pixels.size(0), cut.size(2) * cut.size(3), 3 * size * size});
  const at::Tensor rows = nn::fixed_order_product(patches, weight.flatten(1));
  return bias.defined() ? rows + bias : rows;
}

}  // namespace instructblip
