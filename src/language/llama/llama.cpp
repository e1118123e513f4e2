#include "language/llama/llama.h"

#include <algorithm>
#include <string>
#include <utility>

#include "instructblip/error.h"
#include "language/packing.h"

namespace instructblip {
namespace {

// A tied head is not stored a second time.
nn::Linear read_whole_head(const nn::Weights& weights, const LlamaConfig& config,
                           const nn::Embedding& embedding) {
  if (config.tie_word_embeddings) {
    weights.ignore("lm_head.weight");
    return nn::Linear(embedding.table(), {});
  }
  return nn::Linear(weights / "lm_head", config.hidden, config.vocabulary, nn::Linear::Bias::none);
}

nn::Linear read_head(const nn::Weights& weights, const LlamaConfig& config,
                     const nn::Embedding& embedding) {
  const nn::Linear head = read_whole_head(weights, config, embedding);
  return config.answer_rows ? head.first_rows(*config.answer_rows) : head;
}

}  // namespace

Llama::Llama(const nn::Weights& weights, const LlamaConfig& config)
    : embedding_(weights / "model" / "embed_tokens", config.vocabulary, config.hidden),
      rotary_(config.head_dim, config.rope_theta, config.rope_scaling),
      final_norm_(weights / "model" / "norm", config.hidden, config.rms_norm_eps),
      head_(read_head(weights, config, embedding_)),
      window_(config.window) {
  layers_.reserve(static_cast<std::size_t>(config.layers));
  for (std::int64_t i = 0; i < config.layers; ++i) {
    layers_.emplace_back(weights / "model" / "layers" / i, config, i);
  }
}

at::Tensor Llama::embed(std::span<const std::int32_t> ids) const {
  return embedding_(ids).unsqueeze(0);
}

std::unique_ptr<LanguageState> Llama::start(at::Tensor prompt) const {
  return std::make_unique<LanguageState>(std::move(prompt),
                                         static_cast<std::int64_t>(layers_.size()));
}

std::vector<std::int32_t> Llama::history(std::span<const std::int32_t> prompt) const {
  return {prompt.begin(), prompt.end()};
}

void Llama::check_window(std::span<const std::int64_t> positions) const {
  if (!window_ || std::ranges::none_of(positions, [&](auto p) { return p >= *window_; })) return;
  throw Error(ErrorCode::invalid_argument,
              "the prompt and its continuation expect more positions than the " +
                  std::to_string(*window_) + " of the language model's sliding window",
              "shorten the instruction or lower max_new_tokens");
}

at::Tensor Llama::prefill(std::span<LanguageState* const> states) const {
  PackedPrompts packed(states);
  const Rotation rotation = rotary_.along_sequence({packed.positions(), packed.lengths()});
  at::Tensor x = packed.rows();
  for (const LlamaLayer& layer : layers_) x = layer.prefill(x, rotation, packed.parts());
  const at::Tensor logits = head_(final_norm_(packed.last_rows(x)));  // [S, N]
  packed.keep();
  return logits;
}

at::Tensor Llama::step(std::span<const LanguageStep> steps) const {
  PackedStep packed(steps);
  const RowPlaces places{packed.positions(), packed.lengths()};
  check_window(places.positions);
  const Rotation rotation = rotary_.of_rows(places);
  at::Tensor x = embedding_(packed.tokens()).unsqueeze(1);  // [R, 1, L]
  for (const LlamaLayer& layer : layers_) x = layer.step(x, rotation, packed.parts());
  const at::Tensor logits = head_(final_norm_(x)).squeeze(1);  // [R, N]
  packed.keep();
  return logits;
}

}  // namespace instructblip
