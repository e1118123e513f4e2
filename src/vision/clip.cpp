#include "vision/clip.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "vision/patches.h"
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

ClipLayer::ClipLayer(const nn::Weights& weights, const ClipVisionConfig& config)
    : heads_(config.heads),
      activation_(config.activation),
      attention_{.order = nn::AttentionOrder::fused,
                 .divisor = std::sqrt(static_cast<double>(config.hidden / config.heads))},
      before_attention_(weights / "layer_norm1", config.hidden, config.layer_norm_eps),
      before_feed_forward_(weights / "layer_norm2", config.hidden, config.layer_norm_eps),
      query_(weights / "self_attn" / "q_proj", config.hidden, config.hidden),
      key_(weights / "self_attn" / "k_proj", config.hidden, config.hidden),
      value_(weights / "self_attn" / "v_proj", config.hidden, config.hidden),
      output_(weights / "self_attn" / "out_proj", config.hidden, config.hidden),
      expand_(weights / "mlp" / "fc1", config.hidden, config.feed_forward),
      contract_(weights / "mlp" / "fc2", config.feed_forward, config.hidden) {}

at::Tensor ClipLayer::forward(const at::Tensor& x) const {
  const at::Tensor h = before_attention_(x);
  const at::Tensor attended =
      x +
      output_(nn::attention(nn::split_heads(query_(h), heads_), nn::split_heads(key_(h), heads_),
                            nn::split_heads(value_(h), heads_), attention_));
  const at::Tensor expanded = nn::activate(activation_, expand_(before_feed_forward_(attended)));
  return attended + contract_(expanded);  // [B, N, H]
}

ClipVision::ClipVision(const nn::Weights& weights, const ClipVisionConfig& config,
                       const PixelSize& size)
    : config_(config),
      class_embedding_((weights / "embeddings").vector("class_embedding", {config.hidden})),
      position_table_(fitted_positions((weights / "embeddings" / "position_embedding")
                                           .vector("weight", {config.positions(), config.hidden})
                                           .unsqueeze(0),
                                       config.image_size, config.patch_size, size)),
      patch_weight_(
          (weights / "embeddings" / "patch_embedding")
              .vector("weight", {config.hidden, 3, config.patch_size, config.patch_size})),
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

at::Tensor ClipVision::forward(const at::Tensor& pixels) const {
  const std::int64_t batch = pixels.size(0);
  const at::Tensor patches = embed_patches(pixels, patch_weight_, {});  // [B, N - 1, H]
  const at::Tensor class_rows = class_embedding_.expand({batch, 1, -1});
  const std::int64_t dropped = config_.class_row ? 0 : 1;
  std::vector<at::Tensor> features(config_.feature_layers.size());
  at::Tensor x = first_norm_(at::cat({class_rows, patches}, 1) + position_table_);  // [B, N, H]
  for (std::size_t layer = 0;; ++layer) {
    for (std::size_t i = 0; i < features.size(); ++i) {
      if (config_.feature_layers[i] != static_cast<std::int64_t>(layer)) continue;
      features[i] = x.narrow(1, dropped, x.size(1) - dropped);
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
