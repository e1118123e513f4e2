// A Q-Former's layers by the kernel of a device that computes one of them at once, for a few
// pictures in half precision.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "config/language_config.h"
#include "kernels/cuda/qformer_layer.h"
#include "nn/device_product.h"
#include "nn/heads.h"
#include "nn/normalization.h"
#include "nn/rows.h"
#include "nn/runtime.h"

namespace instructblip::nn {

using DeviceLinear = kernels::cuda::LinearWeights;
using DeviceNorm = kernels::cuda::NormWeights;

// One half of a layer's feed-forwards, that of the queries or that of the text, and the norm behind
// it, which the kernel leaves to the layer after.
struct DeviceFeedForward {
  DeviceLinear expand = {}, contract = {};
  const Norm* norm = nullptr;
};

// A layer as the kernel takes it. Everything belongs to the model.
struct DeviceLayer {
  kernels::cuda::QFormerLayerWeights weights = {};  // but for the norms of what comes in
  Activation activation;
  std::int64_t inner;                                      // width of a feed-forward
  const HeadsProjection* looks_by = nullptr;               // null: not at the pictures
  const Norm *query_norm = nullptr, *text_norm = nullptr;  // null: no text is read
};

// Where a weight and its bias, or those of a norm, lie on the device. False: not as the kernel
// reads them, or not at all.
bool put_down(const std::optional<ProductWith>& product, DeviceLinear& to);
bool put_down(const Norm& norm, DeviceNorm& to);

// B pictures | Q queries | T rows of text of all pictures | D hidden | P image positions

class DeviceLayers {
 public:
  // Rows of each picture, its queries before its text; `before`: the norm of what comes in.
  struct Shape {
    std::span<const Part> parts;
    std::int64_t queries;  // Q
    std::int64_t heads, head_width;
    const Norm* before;
  };
  // None: the runtime's device has no kernel that takes them. Throws as Runtime::device_kernel().
  static std::optional<DeviceLayers> of(const Runtime& runtime,
                                        std::vector<std::optional<DeviceLayer>> layers,
                                        const Shape& shape);

  // queries [B Q, D] and text [T, D] before their norm, memory of their own, overwritten; visual
  // [B, P, V] -> the queries [B, Q, D].
  at::Tensor run(const at::Tensor& queries, const at::Tensor& text, const at::Tensor& visual) const;

 private:
  using Kernel = kernels::cuda::Kernel<kernels::cuda::QFormerLayer>;

  const Runtime* runtime_ = nullptr;
  std::vector<DeviceLayer> layers_;
  std::vector<kernels::cuda::QFormerLayerProblem> problems_;  // one for each layer
  const Kernel* kernel_ = nullptr;
  std::vector<std::int32_t> query_rows_, text_rows_, offsets_;  // among the rows of all
};

}  // namespace instructblip::nn
