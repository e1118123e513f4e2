#include "language/llama/llama_layer.h"

#include <ATen/TensorOperators.h>

#include <cmath>

namespace instructblip {
namespace {

nn::Linear::Bias bias_if(bool present) {
  return present ? nn::Linear::Bias::present : nn::Linear::Bias::none;
}

nn::AttentionOptions attention_options(const LlamaConfig& config, bool causal) {
  return {.order = nn::AttentionOrder::fused,
          .divisor = std::sqrt(static_cast<double>(config.head_dim)),
          .causal = causal};
}

}  // namespace

LlamaLayer::LlamaLayer(const nn::Weights& weights, const LlamaConfig& config, std::int64_t index)
    : index_(index),
      heads_(config.heads),
      key_value_heads_(config.key_value_heads),
      activation_(config.activation),
      over_prompt_(attention_options(config, /*causal=*/true)),
      over_cache_(attention_options(config, /*causal=*/false)),
      before_attention_(weights / "input_layernorm", config.hidden, config.rms_norm_eps),
      before_feed_forward_(weights / "post_attention_layernorm", config.hidden,
                           config.rms_norm_eps),
      query_(weights / "self_attn" / "q_proj", config.hidden, config.heads * config.head_dim,
             bias_if(config.attention_bias)),
      key_(weights / "self_attn" / "k_proj", config.hidden,
           config.key_value_heads * config.head_dim, bias_if(config.attention_bias)),
      value_(weights / "self_attn" / "v_proj", config.hidden,
             config.key_value_heads * config.head_dim, bias_if(config.attention_bias)),
      output_(weights / "self_attn" / "o_proj", config.heads * config.head_dim, config.hidden,
              bias_if(config.attention_bias)),
      gate_(weights / "mlp" / "gate_proj", config.hidden, config.feed_forward,
            bias_if(config.mlp_bias)),
      up_(weights / "mlp" / "up_proj", config.hidden, config.feed_forward,
          bias_if(config.mlp_bias)),
      down_(weights / "mlp" / "down_proj", config.feed_forward, config.hidden,
            bias_if(config.mlp_bias)) {}

LlamaLayer::Heads LlamaLayer::project(const at::Tensor& x, const Rotation& rotation) const {
  const at::Tensor h = before_attention_(x);  // [B, T, L]
  return {rotation.apply(nn::split_heads(query_(h), heads_)),
          rotation.apply(nn::split_heads(key_(h), key_value_heads_)),
          nn::split_heads(value_(h), key_value_heads_)};
}

at::Tensor LlamaLayer::finish(const at::Tensor& x, const at::Tensor& attended) const {
  const at::Tensor h = x + output_(attended);  // [B, T, L]
  const at::Tensor normed = before_feed_forward_(h);
  return h + down_(nn::activate(activation_, gate_(normed)) * up_(normed));
}

at::Tensor LlamaLayer::prefill(const at::Tensor& x, const Rotation& rotation,
                               std::span<const PromptPart> parts) const {
  const Heads heads = project(x, rotation);
  return finish(x, nn::by_part(parts, 1, [&](const PromptPart& part, std::size_t) {
                  const at::Tensor keys = part.of(heads.keys, 2), values = part.of(heads.values, 2);
                  part.state->cache.store_prompt(index_, keys, values);
                  return nn::attention(part.of(heads.queries, 2), keys, values, over_prompt_);
                }));
}

at::Tensor LlamaLayer::step(const at::Tensor& x, const Rotation& rotation,
                            std::span<const PromptPart> parts) const {
  const Heads heads = project(x, rotation);
  return finish(x, nn::by_part(parts, 0, [&](const PromptPart& part, std::size_t) {
                  const nn::KvView view = part.state->cache.append(index_, part.of(heads.keys, 0),
                                                                   part.of(heads.values, 0));
                  return nn::cached_attention(part.of(heads.queries, 0), view, over_cache_);
                }));
}

}  // namespace instructblip
