#include "vision/clip.h"

#include <ATen/ops/cat.h>

#include <algorithm>
#include <string>

#include "nn/arithmetic.h"
#include "vision/position_table.h"

namespace instructblip {
namespace {

constexpr const char* kParts[] = {"weight", "bias"};

void pass_over_layer(const nn::Weights& weights) {
  for (const char* name : {"layer_norm1", "layer_norm2", "self_attn.q_proj", "self_attn.k_proj",
                           "self_attn.v_proj", "self_attn.out_proj", "mlp.fc1", "mlp.fc2"}) {
    for (const char* part : kParts) (weights / name).pass_over(part);
  }
}

}  // namespace

ClipVision::ClipVision(const nn::Weights& weights, const ClipVisionConfig& config,
                       const PixelSize& size)
    : VisionEncoder(weights.runtime()),
      config_(config),
      class_embedding_((weights / "embeddings").vector("class_embedding", {config.hidden})),
      position_table_(fitted_positions((weights / "embeddings" / "position_embedding")
                                           .vector("weight", {config.positions(), config.hidden})
                                           .unsqueeze(0),
                                       config.image_size, config.patch_size, size)),
      patches_(weights / "embeddings" / "patch_embedding", config.hidden, config.patch_size,
               nn::Linear::Bias::none),
      first_norm_(weights / "pre_layrnorm", config.hidden, config.layer_norm_eps) {
  const std::int64_t needed = std::ranges::max(config.feature_layers);
  for (std::int64_t i = 0; i < config.layers; ++i) {
    const nn::Weights at_layer = weights / "encoder" / "layers" / i;
    if (i < needed) {
      layers_.emplace_back(at_layer, config);
    } else {
      pass_over_layer(at_layer);
    }
  }
  for (const char* part : kParts) (weights / "post_layernorm").pass_over(part);
}

at::Tensor ClipVision::encode(const at::Tensor& pixels) const {
  const std::int64_t batch = pixels.size(0);
  const at::Tensor patches = patches_(pixels);  // [B, N - 1, H]
  const at::Tensor class_rows = class_embedding_.expand({batch, 1, -1});
  const std::int64_t dropped = config_.class_row ? 0 : 1;
  std::vector<at::Tensor> features(config_.feature_layers.size());
  nn::Sum x =
      first_norm_(nn::sum(at::cat({class_rows, patches}, 1), position_table_));  // [B, N, H]
  for (std::size_t layer = 0;; ++layer) {
    for (std::size_t i = 0; i < features.size(); ++i) {
      if (config_.feature_layers[i] != static_cast<std::int64_t>(layer)) continue;
      const at::Tensor rows = x;
      features[i] = rows.narrow(1, dropped, rows.size(1) - dropped);
    }
    if (layer == layers_.size()) break;
    x = layers_[layer].forward(x);
  }
  return features.size() == 1 ? features[0] : at::cat(features, 2);  // [B, P, V]
}

std::int64_t ClipVision::positions() const {
  return position_table_.size(1) - (config_.class_row ? 0 : 1);
}

std::int64_t ClipVision::width() const { return config_.width(); }

}  // namespace instructblip
