// The frozen image encoder: EVA-CLIP's ViT-g/14 in the published checkpoints.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "checkpoint/model_config.h"
#include "nn/activation.h"
#include "nn/attention.h"
#include "nn/linear.h"
#include "nn/normalization.h"
#include "nn/weights.h"

namespace instructblip {

// B batch | P positions, CLS first (257) | V hidden (1408) | F feed-forward (6144)

// Pre-LN transformer layer. Dosovitskiy et al., An Image is Worth 16x16 Words, 2021.
class VisionLayer {
 public:
  VisionLayer(const nn::Weights& weights, const VisionConfig& config);
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

class VisionEncoder {
 public:
  // The size in pixels of the pictures it will be given. Other than the config's image_size, it
  // needs the position table resized, which `interpolate` allows; else Error(bad_model).
  struct PixelSize {
    std::int64_t height, width;
    bool interpolate;
  };

  // `weights` at the checkpoint's `vision_model`.
  VisionEncoder(const nn::Weights& weights, const VisionConfig& config, const PixelSize& size);

  // Pixels [B, 3, height, width] -> [B, P, V]: every position after the final norm, CLS included.
  at::Tensor forward(const at::Tensor& pixels) const;

  std::int64_t positions() const { return position_table_.size(1); }
  std::int64_t width() const { return position_table_.size(2); }

 private:
  std::int64_t patch_size_;
  at::Tensor class_embedding_;            // [1, 1, V]
  at::Tensor position_table_;             // [1, P, V]
  at::Tensor patch_weight_, patch_bias_;  // [V, 3, patch, patch], [V]
  std::vector<VisionLayer> layers_;
  nn::LayerNorm final_norm_;
};

}  // namespace instructblip
