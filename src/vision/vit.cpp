#include "vision/vit.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>

#include <cmath>

#include "vision/patches.h"
#include "vision/position_table.h"

namespace instructblip {
namespace {

// Query, key and value as one product; rows 0..V-1 of the weight are queries, then keys, then
// values.
nn::Linear read_qkv(const nn::Weights& weights, const VitConfig& config) {
  const std::int64_t hidden = config.hidden;
  at::Tensor weight = (weights / "qkv").matrix("weight", {3 * hidden, hidden});
  at::Tensor bias;
  if (config.qkv_bias) bias = (weights / "qkv").vector("bias", {3 * hidden});
  return nn::Linear(std::move(weight), std::move(bias));
}

}  // namespace

VitLayer::VitLayer(const nn::Weights& weights, const VitConfig& config)
    : heads_(config.heads),
      activation_(config.activation),
      attention_{.order = nn::AttentionOrder::fused,
                 .divisor = std::sqrt(static_cast<double>(config.hidden / config.heads))},
      before_attention_(weights / "layer_norm1", config.hidden, config.layer_norm_eps),
      before_feed_forward_(weights / "layer_norm2", config.hidden, config.layer_norm_eps),
      qkv_(read_qkv(weights / "self_attn", config)),
      output_(weights / "self_attn" / "projection", config.hidden, config.hidden),
      expand_(weights / "mlp" / "fc1", config.hidden, config.feed_forward),
      contract_(weights / "mlp" / "fc2", config.feed_forward, config.hidden) {}

at::Tensor VitLayer::self_attention(const at::Tensor& x) const {
  const at::Tensor qkv = qkv_(x)
                             .view({x.size(0), x.size(1), 3, heads_, x.size(2) / heads_})
                             .permute({2, 0, 3, 1, 4});  // [3, B, H, P, V / H]
  return output_(nn::attention(qkv[0], qkv[1], qkv[2], attention_));
}

at::Tensor VitLayer::forward(const at::Tensor& x) const {
  const at::Tensor attended = x + self_attention(before_attention_(x));
  const at::Tensor expanded = nn::activate(activation_, expand_(before_feed_forward_(attended)));
  return attended + contract_(expanded);  // [B, P, V]
}

Vit::Vit(const nn::Weights& weights, const VitConfig& config, const PixelSize& size)
    : patch_size_(config.patch_size),
      class_embedding_((weights / "embeddings").vector("class_embedding", {1, 1, config.hidden})),
      position_table_((weights / "embeddings")
                          .vector("position_embedding", {1, config.positions(), config.hidden})),
      patch_weight_((weights / "embeddings" / "patch_embedding")
                        .vector("weight", {config.hidden, 3, patch_size_, patch_size_})),
      patch_bias_((weights / "embeddings" / "patch_embedding").vector("bias", {config.hidden})),
      final_norm_(weights / "post_layernorm", config.hidden, config.final_norm_eps) {
  layers_.reserve(static_cast<std::size_t>(config.layers));
  for (std::int64_t i = 0; i < config.layers; ++i) {
    layers_.emplace_back(weights / "encoder" / "layers" / i, config);
  }
  position_table_ = fitted_positions(position_table_, config.image_size, config.patch_size, size);
}

at::Tensor Vit::forward(const at::Tensor& pixels) const {
  const std::int64_t batch = pixels.size(0);
  const at::Tensor patches = embed_patches(pixels, patch_weight_, patch_bias_);  // [B, P - 1, V]
  const at::Tensor class_rows = class_embedding_.expand({batch, 1, -1});
  at::Tensor x = at::cat({class_rows, patches}, 1) + position_table_;  // [B, P, V]
  for (const VitLayer& layer : layers_) x = layer.forward(x);
  return final_norm_(x);
}

}  // namespace instructblip
