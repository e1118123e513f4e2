#include "language/t5/t5.h"

#include <array>
#include <cmath>
#include <string>
#include <utility>

namespace instructblip {
namespace {

bool is_tied(const nn::Weights& weights, const T5Config& config) {
  return config.tie_word_embeddings || !weights.has("lm_head.weight");
}

// The embedding is stored under one of three names, or under several as copies.
nn::Embedding read_embedding(const nn::Weights& weights, const T5Config& config) {
  constexpr std::array names = {"shared", "encoder.embed_tokens", "decoder.embed_tokens"};
  const char* found = names[0];
  for (const char* name : names) {
    weights.ignore(std::string(name) + ".weight");
    if (!weights.has(std::string(found) + ".weight")) found = name;
  }
  return nn::Embedding(weights / found, config.vocabulary, config.hidden,
                       nn::Embedding::tied_if(is_tied(weights, config)));
}

nn::Linear read_head(const nn::Weights& weights, const T5Config& config,
                     const nn::Embedding& embedding) {
  if (is_tied(weights, config)) {
    weights.ignore("lm_head.weight");
    return nn::Linear(weights.runtime(), embedding.matrix());
  }
  return nn::Linear(weights.of(nn::Module::head) / "lm_head", config.hidden, config.vocabulary,
                    nn::Linear::Bias::none);
}

// Stored in a stack's first block; all its blocks share the table.
nn::RelativeBiasConfig bias_of(const T5Config& config,
                               nn::RelativeBiasConfig::Direction direction) {
  return {config.relative_buckets, config.relative_max_distance, config.heads, direction};
}

}  // namespace

T5::T5(const nn::Weights& weights, const T5Config& config)
    : decoder_start_(config.decoder_start),
      pool_(weights.runtime(), config.decoder_layers, config.heads, config.key_value),
      embedding_(read_embedding(weights, config)),
      encoder_bias_(weights / "encoder" / "block" / 0 / "layer" / 0 / "SelfAttention",
                    bias_of(config, nn::RelativeBiasConfig::Direction::both)),
      decoder_bias_(weights / "decoder" / "block" / 0 / "layer" / 0 / "SelfAttention",
                    bias_of(config, nn::RelativeBiasConfig::Direction::past)),
      encoder_norm_(weights / "encoder" / "final_layer_norm", config.hidden, config.layer_norm_eps),
      decoder_norm_(
          weights / "decoder" / "final_layer_norm", config.hidden, config.layer_norm_eps,
          config.scale_decoder_output ? 1.0 / std::sqrt(static_cast<double>(config.hidden)) : 1.0),
      head_(read_head(weights, config, embedding_)) {
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

std::unique_ptr<LanguageState> T5::start(at::Tensor prompt) const {
  return std::make_unique<LanguageState>(std::move(prompt), pool_);
}

std::vector<std::int32_t> T5::history(std::span<const std::int32_t>) const {
  return {decoder_start_};
}

at::Tensor T5::encode(const PackedPrompts& packed) const {
  std::vector<nn::RowBiases::Span> spans;  // [P, P] of each prompt
  for (const std::int64_t length : packed.lengths()) spans.push_back({0, length, length});
  const nn::RowBiases biases(encoder_bias_, std::move(spans));
  nn::Rows rows = packed.alone();
  rows.biases = &biases;
  nn::Sum x = packed.embedded();
  for (const T5EncoderBlock& block : encoder_) x = block.forward(x, rows);
  const at::Tensor encoded = encoder_norm_(x);  // [P, L]
  for (const T5DecoderBlock& block : decoder_) block.remember(encoded, packed.memory_rows());
  return encoded;
}

at::Tensor T5::decode(const PackedStep& packed) const {
  std::vector<nn::RowBiases::Span> spans;  // [1, T] of each state
  for (const std::int64_t length : packed.lengths()) spans.push_back({length - 1, 1, length});
  const nn::RowBiases biases(decoder_bias_, std::move(spans));
  nn::Rows rows = packed.rows();
  rows.biases = &biases;
  nn::Sum x = packed.embedded();  // [R, L]
  for (const T5DecoderBlock& block : decoder_) x = block.forward(x, rows, packed.memory_rows());
  return head_.wide(decoder_norm_.of(x));
}

at::Tensor T5::prefill(std::span<LanguageState* const> states) const {
  PackedPrompts packed(states, PackedPrompts::Into::memory);
  packed.run([&] { return encode(packed); });
  constexpr std::array<std::int32_t, 1> kFromNothing = {0};
  const std::array<std::int32_t, 1> start = {decoder_start_};
  std::vector<LanguageStep> steps;
  for (LanguageState* state : states) steps.push_back({state, kFromNothing, start});
  const at::Tensor logits = step(steps).rows;  // [S, N]
  packed.keep();
  return logits;
}

StepLogits T5::step(std::span<const LanguageStep> steps) const {
  PackedStep packed(steps, embedding_);
  const at::Tensor logits = packed.run([&] { return decode(packed); });  // [R, N]
  packed.keep();
  return {logits, packed.recorded()};
}

}  // namespace instructblip
