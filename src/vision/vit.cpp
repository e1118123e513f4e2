#include "vision/vit.h"

#include <ATen/ops/cat.h>

#include "nn/arithmetic.h"
#include "vision/position_table.h"

namespace instructblip {
Vit::Vit(const nn::Weights& weights, const VitConfig& config, const PixelSize& size)
    : VisionEncoder(weights.runtime()),
      class_embedding_((weights / "embeddings").vector("class_embedding", {1, 1, config.hidden})),
      position_table_((weights / "embeddings")
                          .vector("position_embedding", {1, config.positions(), config.hidden})),
      patches_(weights / "embeddings" / "patch_embedding", config.hidden, config.patch_size,
               nn::Linear::Bias::present),
      final_norm_(weights / "post_layernorm", config.hidden, config.final_norm_eps) {
  layers_.reserve(static_cast<std::size_t>(config.layers));
  for (std::int64_t i = 0; i < config.layers; ++i) {
    layers_.emplace_back(weights / "encoder" / "layers" / i, config);
  }
  position_table_ = fitted_positions(position_table_, config.image_size, config.patch_size, size);
}

at::Tensor Vit::encode(const at::Tensor& pixels) const {
  const std::int64_t batch = pixels.size(0);
  const at::Tensor patches = patches_(pixels);  // [B, P - 1, V]
  const at::Tensor class_rows = class_embedding_.expand({batch, 1, -1});
  nn::Sum x = nn::sum(at::cat({class_rows, patches}, 1), position_table_);  // [B, P, V]
  for (const PreNormLayer& layer : layers_) x = layer.forward(x);
  return final_norm_(x);
}

}  // namespace instructblip
