#include "language/opt/opt_layer.h"

#include <ATen/TensorOperators.h>

#include <cmath>

namespace instructblip {
namespace {

constexpr double kLayerNormEps = 1e-5;  // no key of config.json changes it

nn::Linear::Bias bias_of(const OptConfig& config) {
  return config.bias ? nn::Linear::Bias::present : nn::Linear::Bias::none;
}

nn::AttentionOptions attention_options(bool causal) {
  return {.order = nn::AttentionOrder::fused, .divisor = 1.0, .causal = causal};
}

}  // namespace

nn::LayerNorm opt_norm(const nn::Weights& weights, const OptConfig& config) {
  return config.norm_affine ? nn::LayerNorm(weights, config.hidden, kLayerNormEps)
                            : nn::LayerNorm(kLayerNormEps);
}

OptLayer::OptLayer(const nn::Weights& weights, const OptConfig& config, std::int64_t index)
    : index_(index),
      heads_(config.heads),
      query_scale_(std::pow(static_cast<double>(config.hidden / config.heads), -0.5)),
      norm_before_(config.norm_before),
      activation_(config.activation),
      attention_norm_(opt_norm(weights / "self_attn_layer_norm", config)),
      feed_forward_norm_(opt_norm(weights / "final_layer_norm", config)),
      query_(weights / "self_attn" / "q_proj", config.hidden, config.hidden, bias_of(config)),
      key_(weights / "self_attn" / "k_proj", config.hidden, config.hidden, bias_of(config)),
      value_(weights / "self_attn" / "v_proj", config.hidden, config.hidden, bias_of(config)),
      output_(weights / "self_attn" / "out_proj", config.hidden, config.hidden, bias_of(config)),
      up_(weights / "fc1", config.hidden, config.feed_forward, bias_of(config)),
      down_(weights / "fc2", config.feed_forward, config.hidden, bias_of(config)) {}

OptLayer::Heads OptLayer::project(const at::Tensor& x) const {
  const at::Tensor h = norm_before_ ? attention_norm_(x) : x;  // [B, T, D]
  // The reference scales the queries, not the scores: other roundings.
  return {nn::split_heads(query_(h) * query_scale_, heads_), nn::split_heads(key_(h), heads_),
          nn::split_heads(value_(h), heads_)};
}

at::Tensor OptLayer::finish(const at::Tensor& x, const at::Tensor& attended) const {
  at::Tensor h = x + output_(attended);  // [B, T, D]
  if (!norm_before_) h = attention_norm_(h);
  const at::Tensor inner = up_(norm_before_ ? feed_forward_norm_(h) : h);  // [B, T, F]
  h = h + down_(nn::activate(activation_, inner));
  return norm_before_ ? h : feed_forward_norm_(h);
}

at::Tensor OptLayer::prefill(const at::Tensor& x, std::span<const PromptPart> parts) const {
  const Heads heads = project(x);
  return finish(x, nn::by_part(parts, 1, [&](const PromptPart& part, std::size_t) {
                  const at::Tensor keys = part.of(heads.keys, 2), values = part.of(heads.values, 2);
                  part.state->cache.store_prompt(index_, keys, values);
                  return nn::attention(part.of(heads.queries, 2), keys, values,
                                       attention_options(/*causal=*/true));
                }));
}

at::Tensor OptLayer::step(const at::Tensor& x, std::span<const PromptPart> parts) const {
  const Heads heads = project(x);
  return finish(x, nn::by_part(parts, 0, [&](const PromptPart& part, std::size_t) {
                  const nn::KvView view = part.state->cache.append(index_, part.of(heads.keys, 0),
                                                                   part.of(heads.values, 0));
                  return nn::cached_attention(part.of(heads.queries, 0), view,
                                              attention_options(/*causal=*/false));
                }));
}

}  // namespace instructblip
