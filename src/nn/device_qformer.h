// A Q-Former's layers by the kernel of a device that computes one of them at once, for a few
// pictures in half precision.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "config/language_config.h"
#include "kernels/cuda/kernels.h"
#include "nn/device_product.h"
#include "nn/heads.h"
#include "nn/normalization.h"
#include "nn/rows.h"
#include "nn/runtime.h"

namespace instructblip::nn {

// A linear layer, or a norm, whose weights are put down where a kernel is to be given them. False:
// they do not lie as it reads them.
bool put_down(const std::optional<ProductWith>& product, at::ScalarType rows,
              kernels::cuda::LinearWeights& to);
bool put_down(const Norm& norm, at::ScalarType rows, kernels::cuda::NormWeights& to);

// The feed-forward of the queries of a layer, or that of its text, and the norm behind it, which
// the kernel leaves to the layer after.
struct DeviceQFormerHalf {
  kernels::cuda::LinearWeights expand = {}, contract = {};
  const Norm* norm = nullptr;
  Activation activation = Activation::linear;
  std::int64_t inner = 0;  // its width

  // False: as put_down().
  bool describe(const std::optional<ProductWith>& expands,
                const std::optional<ProductWith>& contracts, const Norm& behind,
                at::ScalarType rows);
};

// A layer as the kernel takes it. Everything belongs to the model.
struct DeviceQFormerLayer {
  kernels::cuda::QFormerLayerWeights weights = {};  // but for feed-forwards, and for the norms of
                                                    // what comes in
  const HeadsProjection* looks_by = nullptr;        // null: not at the pictures
  DeviceQFormerHalf queries = {}, text = {};        // the latter without a norm: no text is read
};

// B pictures | Q queries | T rows of text of all pictures | D hidden | P image positions

class DeviceQFormer {
 public:
  // Rows of each picture, its queries before its text; `before`: the norm of what comes in.
  struct Shape {
    std::span<const Part> parts;
    std::int64_t queries;  // Q
    std::int64_t heads, head_width;
    const Norm* before;
  };
  // None: a layer is none, or the runtime's device has no kernel that takes it. Throws as
  // Runtime::device_kernel().
  static std::optional<DeviceQFormer> of(const Runtime& runtime,
                                         std::span<const std::optional<DeviceQFormerLayer>> layers,
                                         const Shape& shape);

  // queries [B Q, D] and text [T, D] before their norm, memory of their own, overwritten; visual
  // [B, P, V] -> the queries [B, Q, D].
  at::Tensor run(const at::Tensor& queries, const at::Tensor& text, const at::Tensor& visual) const;

 private:
  struct Launch {
    const kernels::cuda::Kernel<kernels::cuda::QFormerLayer>* kernel;
    kernels::cuda::QFormerLayerProblem problem;
    kernels::cuda::QFormerLayerWeights weights;
    const HeadsProjection* looks_by;
  };

  const Runtime* runtime_ = nullptr;
  std::vector<Launch> launches_;                                // one for each layer
  const Norm* last_norm_ = nullptr;                             // that ends the queries
  std::vector<std::int32_t> query_rows_, text_rows_, offsets_;  // among the rows of all
};

}  // namespace instructblip::nn
