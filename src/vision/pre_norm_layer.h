// The layer of the image encoders: norms in front of both halves.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string_view>

#include "config/model_config.h"
#include "nn/attention.h"
#include "nn/feed_forward.h"
#include "nn/heads.h"
#include "nn/linear.h"
#include "nn/normalization.h"
#include "nn/weights.h"

namespace instructblip {

// B pictures | P positions, CLS first (257; CLIP 577) | V hidden (1408; CLIP 1024)

// Pre-LN transformer layer. Dosovitskiy et al., An Image is Worth 16x16 Words, 2021; in CLIP:
// Radford et al., Learning Transferable Visual Models, 2021.
class PreNormLayer {
 public:
  PreNormLayer(const nn::Weights& weights, const VitConfig& config);
  PreNormLayer(const nn::Weights& weights, const ClipVisionConfig& config);

  nn::Sum forward(const nn::Sum& x) const;  // [B, P, V] -> [B, P, V]

 private:
  // `output` names the layer behind the attention.
  template <typename Config>
  PreNormLayer(const nn::Weights& weights, const Config& config, std::string_view output);

  nn::AttentionOptions attention_;
  nn::LayerNorm before_attention_, before_feed_forward_;
  nn::HeadsProjection heads_;
  nn::Linear output_;
  nn::FeedForward feed_forward_;
};

}  // namespace instructblip
