#include "language/llama/llama.h"

#include <algorithm>
#include <string>
#include <utility>

#include "instructblip/error.h"

namespace instructblip {
namespace {

// A tied head is not stored a second time.
nn::Linear read_whole_head(const nn::Weights& weights, const LlamaConfig& config,
                           const nn::Embedding& embedding) {
  if (config.tie_word_embeddings) {
    weights.ignore("lm_head.weight");
    return nn::Linear(weights.runtime(), embedding.matrix());
  }
  return nn::Linear(weights.of(nn::Module::head) / "lm_head", config.hidden, config.vocabulary,
                    nn::Linear::Bias::none);
}

nn::Linear read_head(const nn::Weights& weights, const LlamaConfig& config,
                     const nn::Embedding& embedding) {
  const nn::Linear head = read_whole_head(weights, config, embedding);
  return config.answer_rows ? head.some_rows(0, *config.answer_rows) : head;
}

}  // namespace

Llama::Llama(const nn::Weights& weights, const LlamaConfig& config)
    : pool_(weights.runtime(), config.layers, config.key_value_heads, config.head_dim),
      embedding_(weights / "model" / "embed_tokens", config.vocabulary, config.hidden,
                 nn::Embedding::tied_if(config.tie_word_embeddings)),
      rotary_(weights.runtime(), config.head_dim, config.rope_theta, config.rope_scaling),
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
  return std::make_unique<LanguageState>(std::move(prompt), pool_);
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

nn::Sum Llama::forward(nn::Sum x, const PackedRows& packed, nn::Needed needed) const {
  const nn::Rotation rotation = rotary_.of(packed.places());
  for (const LlamaLayer& layer : layers_) {
    const bool last = &layer == &layers_.back();
    x = layer.forward(x, rotation, packed.rows(), last ? needed : nn::Needed::all);
  }
  return x;
}

at::Tensor Llama::prefill(std::span<LanguageState* const> states) const {
  PackedPrompts packed(states, PackedPrompts::Into::cache);
  const auto read = [&] {
    const nn::Sum x = forward(packed.embedded(), packed, packed.needed());
    return head_.wide(final_norm_.of(packed.last_rows(x)));
  };
  const bool same = !rotary_.looks_at(packed.places().lengths);
  const at::Tensor logits = packed.run(read, same);  // [S, N]
  packed.keep();
  return logits;
}

StepLogits Llama::step(std::span<const LanguageStep> steps) const {
  PackedStep packed(steps, embedding_);
  check_window(packed.places().positions);
  const bool same = !rotary_.looks_at(packed.places().lengths);
  const auto read = [&] {
    return head_.wide(final_norm_.of(forward(packed.embedded(), packed, nn::Needed::all)));
  };
  const at::Tensor logits = packed.run(read, same);  // [R, N]
  packed.keep();
  return {logits, packed.recorded(std::min(rotary_.reach(), window_.value_or(rotary_.reach())))};
}

}  // namespace instructblip
