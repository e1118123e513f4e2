// The image encoder of the BLIP families: EVA-CLIP's ViT-g/14 in the published checkpoints.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "config/model_config.h"
#include "nn/normalization.h"
#include "nn/patches.h"
#include "nn/weights.h"
#include "vision/pre_norm_layer.h"
#include "vision/vision_encoder.h"

namespace instructblip {

// B pictures | P positions, CLS first (257) | V hidden (1408)

class Vit final : public VisionEncoder {
 public:
  // `weights` at the checkpoint's `vision_model`.
  Vit(const nn::Weights& weights, const VitConfig& config, const PixelSize& size);

  std::int64_t positions() const override { return position_table_.size(1); }
  std::int64_t width() const override { return position_table_.size(2); }

 private:
  // Every position after the final norm, CLS included.
  at::Tensor encode(const at::Tensor& pixels) const override;

  at::Tensor class_embedding_;  // [1, 1, V]
  at::Tensor position_table_;   // [1, P, V]
  nn::PatchEmbedding patches_;
  std::vector<PreNormLayer> layers_;
  nn::LayerNorm final_norm_;
};

}  // namespace instructblip
