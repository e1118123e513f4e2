// LLaVA's frozen image encoder: CLIP's ViT-L/14 in the published checkpoints.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "config/model_config.h"
#include "nn/normalization.h"
#include "nn/patches.h"
#include "nn/weights.h"
#include "vision/pre_norm_layer.h"
#include "vision/vision_encoder.h"

namespace instructblip {

// B batch | N positions, CLS first (577) | P of them that are handed on (576) | H hidden (1024)
// V width of the features: H for each layer that they are taken from

// The hidden states of the layers that the config names, side by side. Layers behind the last of
// them are neither read nor run, nor is the final norm.
class ClipVision final : public VisionEncoder {
 public:
  // `weights` at the checkpoint's `vision_tower`.
  ClipVision(const nn::Weights& weights, const ClipVisionConfig& config, const PixelSize& size);

  std::int64_t positions() const override;
  std::int64_t width() const override;

 private:
  at::Tensor encode(const at::Tensor& pixels) const override;

  ClipVisionConfig config_;
  at::Tensor class_embedding_;  // [H]
  at::Tensor position_table_;   // [1, N, H]
  nn::PatchEmbedding patches_;
  nn::LayerNorm first_norm_;
  std::vector<PreNormLayer> layers_;
};

}  // namespace instructblip
