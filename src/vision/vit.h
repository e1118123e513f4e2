// The image encoder of the BLIP families: EVA-CLIP's ViT-g/14 in the published checkpoints.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "checkpoint/model_config.h"
#include "nn/activation.h"
#include "nn/attention.h"
#include "nn/linear.h"
#include "nn/normalization.h"
#include "nn/weights.h"
#include "vision/vision_encoder.h"

namespace instructblip {

// B batch | P positions, CLS first (257) | V hidden (1408) | F feed-forward (6144)

// Pre-LN transformer layer. Dosovitskiy et al., An Image is Worth 16x16 Words, 2021.
class VitLayer {
 public:
  VitLayer(const nn::Weights& weights, const VitConfig& config);
  at::Tensor forward(const at::Tensor& x) const;  // [B, P, V] -> [B, P, V]

 private:
  at::Tensor self_attention(const at::Tensor& x) const;

  std::int64_t heads_;
  Activation activation_;
  nn::AttentionOptions attention_;
  nn::LayerNorm before_attention_, before_feed_forward_;
  nn::Linear qkv_, output_;
  nn::Linear expand_, contract_;
};

class Vit final : public VisionEncoder {
 public:
  // `weights` at the checkpoint's `vision_model`.
  Vit(const nn::Weights& weights, const VitConfig& config, const PixelSize& size);

  // Every position after the final norm, CLS included.
  at::Tensor forward(const at::Tensor& pixels) const override;
  std::int64_t positions() const override { return position_table_.size(1); }
  std::int64_t width() const override { return position_table_.size(2); }

 private:
  std::int64_t patch_size_;
  at::Tensor class_embedding_;            // [1, 1, V]
  at::Tensor position_table_;             // [1, P, V]
  at::Tensor patch_weight_, patch_bias_;  // [V, 3, patch, patch], [V]
  std::vector<VitLayer> layers_;
  nn::LayerNorm final_norm_;
};

}  // namespace instructblip
