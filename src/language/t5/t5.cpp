#include "language/t5/t5.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/mul.h>

#include <array>
#include <cmath>
#include <utility>

namespace instructblip {
namespace {

class T5Session final : public LanguageModelSession {
 public:
  T5Session(const T5& model, at::Tensor prompt)
      : model_(model), prompt_(std::move(prompt)), cache_(model.decoder_layers()) {}

  at::Tensor prefill() override {
    memories_ = model_.encode(std::exchange(prompt_, {}));
    return step(std::array<std::int32_t, 1>{0}, std::array{model_.decoder_start()});
  }

  at::Tensor step(std::span<const std::int32_t> sources,
                  std::span<const std::int32_t> tokens) override {
    cache_.begin_step(sources);
    return model_.step(tokens, memories_, cache_);
  }

 private:
  const T5& model_;
  at::Tensor prompt_;  // [1, P, L]; dropped once it has been encoded
  std::vector<T5CrossMemory> memories_;
  nn::KvCache cache_;
};

// The embedding is stored under one of three names, or under several as copies.
nn::Embedding read_embedding(const nn::Weights& weights, const T5Config& config) {
  constexpr std::array names = {"shared", "encoder.embed_tokens", "decoder.embed_tokens"};
  const char* found = names[0];
  for (const char* name : names) {
    weights.ignore(std::string(name) + ".weight");
    if (!weights.has(std::string(found) + ".weight")) found = name;
  }
  return nn::Embedding(weights / found, config.vocabulary, config.hidden);
}

nn::Linear read_head(const nn::Weights& weights, const T5Config& config,
                     const nn::Embedding& embedding) {
  if (config.tie_word_embeddings || !weights.has("lm_head.weight")) {
    weights.ignore("lm_head.weight");
    return nn::Linear(embedding.table(), {});
  }
  return nn::Linear(weights / "lm_head", config.hidden, config.vocabulary, nn::Linear::Bias::none);
}

}  // namespace

T5::T5(const nn::Weights& weights, const T5Config& config)
    : decoder_start_(config.decoder_start),
      embedding_(read_embedding(weights, config)),
      encoder_bias_(weights / "encoder" / "block" / 0 / "layer" / 0 / "SelfAttention", config,
                    RelativePositionBias::Direction::both),
      decoder_bias_(weights / "decoder" / "block" / 0 / "layer" / 0 / "SelfAttention", config,
                    RelativePositionBias::Direction::past),
      encoder_norm_(weights / "encoder" / "final_layer_norm", config.hidden, config.layer_norm_eps),
      decoder_norm_(weights / "decoder" / "final_layer_norm", config.hidden, config.layer_norm_eps),
      head_(read_head(weights, config, embedding_)),
      head_scale_(config.scale_decoder_output ? 1.0 / std::sqrt(static_cast<double>(config.hidden))
                                              : 1.0) {
  for (std::int64_t i = 0; i < config.encoder_layers; ++i) {
    encoder_.emplace_back(weights / "encoder" / "block" / i, config);
  }
  for (std::int64_t i = 0; i < config.decoder_layers; ++i) {
    decoder_.emplace_back(weights / "decoder" / "block" / i, config, i);
  }
  // Stored by old writers, used by nobody: cross-attention has no positions.
  (weights / "decoder" / "block" / 0 / "layer" / 1 / "EncDecAttention")
      .ignore("relative_attention_bias.weight");
}

at::Tensor T5::embed(std::span<const std::int32_t> ids) const {
  return embedding_(ids).unsqueeze(0);
}

std::unique_ptr<LanguageModelSession> T5::start(at::Tensor prompt) const {
  return std::make_unique<T5Session>(*this, std::move(prompt));
}

std::vector<std::int32_t> T5::history(std::span<const std::int32_t>) const {
  return {decoder_start_};
}

std::vector<T5CrossMemory> T5::encode(const at::Tensor& prompt) const {
  const std::int64_t length = prompt.size(1);
  const at::Tensor bias = encoder_bias_.between(0, length, length);  // [1, H, P, P]
  at::Tensor x = prompt;
  for (const T5EncoderBlock& block : encoder_) x = block.forward(x, bias);
  const at::Tensor encoded = encoder_norm_(x);  // [1, P, L]
  std::vector<T5CrossMemory> memories;
  memories.reserve(decoder_.size());
  for (const T5DecoderBlock& block : decoder_) memories.push_back(block.remember(encoded));
  return memories;
}

at::Tensor T5::step(std::span<const std::int32_t> tokens,
                    const std::vector<T5CrossMemory>& memories, nn::KvCache& cache) const {
  const std::int64_t length = cache.length();
  const at::Tensor bias = decoder_bias_.between(length - 1, 1, length);  // [1, H, 1, T]
  at::Tensor x = embedding_(tokens).unsqueeze(1);                        // [R, 1, L]
  for (std::size_t i = 0; i < decoder_.size(); ++i) {
    x = decoder_[i].step(x, bias, memories[i], cache);
  }
  at::Tensor h = decoder_norm_(x);
  if (head_scale_ != 1.0) h = h * head_scale_;
  return head_(h).squeeze(1);
}

}  // namespace instructblip
