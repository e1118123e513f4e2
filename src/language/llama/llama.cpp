#include "language/llama/llama.h"

#include <utility>

namespace instructblip {
namespace {

class LlamaSession final : public LanguageModelSession {
 public:
  LlamaSession(const Llama& model, at::Tensor prompt)
      : model_(model), prompt_(std::move(prompt)), cache_(model.layers()) {}

  at::Tensor prefill() override { return model_.prefill(std::exchange(prompt_, {}), cache_); }

  at::Tensor step(std::span<const std::int32_t> sources,
                  std::span<const std::int32_t> tokens) override {
    cache_.begin_step(sources);
    return model_.step(tokens, cache_);
  }

 private:
  const Llama& model_;
  at::Tensor prompt_;  // [1, P, L]; dropped once it has been read
  nn::KvCache cache_;
};

// A tied head is not stored a second time.
nn::Linear read_head(const nn::Weights& weights, const LlamaConfig& config,
                     const nn::Embedding& embedding) {
  if (config.tie_word_embeddings) {
    weights.ignore("lm_head.weight");
    return nn::Linear(embedding.table(), {});
  }
  return nn::Linear(weights / "lm_head", config.hidden, config.vocabulary, nn::Linear::Bias::none);
}

}  // namespace

Llama::Llama(const nn::Weights& weights, const LlamaConfig& config)
    : embedding_(weights / "model" / "embed_tokens", config.vocabulary, config.hidden),
      rotary_(config.head_dim, config.rope_theta),
      final_norm_(weights / "model" / "norm", config.hidden, config.rms_norm_eps),
      head_(read_head(weights, config, embedding_)) {
  layers_.reserve(static_cast<std::size_t>(config.layers));
  for (std::int64_t i = 0; i < config.layers; ++i) {
    layers_.emplace_back(weights / "model" / "layers" / i, config, i);
  }
}

at::Tensor Llama::embed(std::span<const std::int32_t> ids) const {
  return embedding_(ids).unsqueeze(0);
}

std::unique_ptr<LanguageModelSession> Llama::start(at::Tensor prompt) const {
  return std::make_unique<LlamaSession>(*this, std::move(prompt));
}

std::vector<std::int32_t> Llama::history(std::span<const std::int32_t> prompt) const {
  return {prompt.begin(), prompt.end()};
}

at::Tensor Llama::prefill(const at::Tensor& prompt, nn::KvCache& cache) const {
  const Rotation rotation = rotary_.rotation(0, prompt.size(1));
  at::Tensor x = prompt;
  for (const LlamaLayer& layer : layers_) x = layer.prefill(x, rotation, cache);
  const at::Tensor last = x.narrow(1, x.size(1) - 1, 1);  // [1, 1, L]
  return head_(final_norm_(last)).squeeze(1);
}

at::Tensor Llama::step(std::span<const std::int32_t> tokens, nn::KvCache& cache) const {
  const Rotation rotation = rotary_.rotation(cache.length() - 1, 1);
  at::Tensor x = embedding_(tokens).unsqueeze(1);  // [R, 1, L]
  for (const LlamaLayer& layer : layers_) x = layer.step(x, rotation, cache);
  return head_(final_norm_(x)).squeeze(1);
}

}  // namespace instructblip
