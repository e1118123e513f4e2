#include "language/opt/opt.h"

#include <ATen/TensorOperators.h>

#include <string>
#include <utility>

#include "instructblip/error.h"

namespace instructblip {
namespace {

// The first rows of the table belong to padding, which is never run here.
constexpr std::int64_t kUnusedPositions = 2;

class OptSession final : public LanguageModelSession {
 public:
  OptSession(const Opt& model, at::Tensor prompt)
      : model_(model), prompt_(std::move(prompt)), cache_(model.layers()) {}

  at::Tensor prefill() override { return model_.prefill(std::exchange(prompt_, {}), cache_); }

  at::Tensor step(std::span<const std::int32_t> sources,
                  std::span<const std::int32_t> tokens) override {
    cache_.begin_step(sources);
    return model_.step(tokens, cache_);
  }

 private:
  const Opt& model_;
  at::Tensor prompt_;  // [1, P, E]; dropped once it has been read
  nn::KvCache cache_;
};

// A tied head is not stored a second time.
nn::Linear read_head(const nn::Weights& weights, const OptConfig& config,
                     const nn::Embedding& embedding) {
  if (config.tie_word_embeddings) {
    weights.ignore("lm_head.weight");
    return nn::Linear(embedding.table(), {});
  }
  return nn::Linear(weights / "lm_head", config.embedding_width, config.vocabulary,
                    nn::Linear::Bias::none);
}

}  // namespace

Opt::Opt(const nn::Weights& weights, const OptConfig& config)
    : embedding_(weights / "model" / "decoder" / "embed_tokens", config.vocabulary,
                 config.embedding_width),
      positions_(weights / "model" / "decoder" / "embed_positions",
                 config.max_positions + kUnusedPositions, config.hidden),
      head_(read_head(weights, config, embedding_)) {
  const nn::Weights decoder = weights / "model" / "decoder";
  if (config.embedding_width != config.hidden) {
    project_in_.emplace(decoder / "project_in", config.embedding_width, config.hidden,
                        nn::Linear::Bias::none);
    project_out_.emplace(decoder / "project_out", config.hidden, config.embedding_width,
                         nn::Linear::Bias::none);
  }
  layers_.reserve(static_cast<std::size_t>(config.layers));
  for (std::int64_t i = 0; i < config.layers; ++i) {
    layers_.emplace_back(decoder / "layers" / i, config, i);
  }
  if (config.final_norm) final_norm_ = opt_norm(decoder / "final_layer_norm", config);
}

at::Tensor Opt::embed(std::span<const std::int32_t> ids) const {
  return embedding_(ids).unsqueeze(0);
}

std::unique_ptr<LanguageModelSession> Opt::start(at::Tensor prompt) const {
  return std::make_unique<OptSession>(*this, std::move(prompt));
}

std::vector<std::int32_t> Opt::history(std::span<const std::int32_t> prompt) const {
  return {prompt.begin(), prompt.end()};
}

std::optional<std::int64_t> Opt::max_positions() const {
  return positions_.rows() - kUnusedPositions;
}

at::Tensor Opt::enter(const at::Tensor& x, std::int64_t first) const {
  // Long prompts are refused before they come here.
  if (first + x.size(1) > *max_positions()) {
    throw Error(ErrorCode::invalid_argument,
                "the prompt and its continuation expect more positions than the " +
                    std::to_string(*max_positions()) + " of the language model",
                "shorten the instruction or lower max_new_tokens");
  }
  const at::Tensor h = project_in_ ? (*project_in_)(x) : x;
  const at::Tensor rows = positions_.table().narrow(0, first + kUnusedPositions, x.size(1));
  return h + rows.to(at::kFloat);
}

at::Tensor Opt::leave(const at::Tensor& x) const {
  at::Tensor h = final_norm_ ? (*final_norm_)(x) : x;
  if (project_out_) h = (*project_out_)(h);
  return head_(h).squeeze(1);
}

at::Tensor Opt::prefill(const at::Tensor& prompt, nn::KvCache& cache) const {
  at::Tensor x = enter(prompt, 0);
  for (const OptLayer& layer : layers_) x = layer.prefill(x, cache);
  return leave(x.narrow(1, x.size(1) - 1, 1));
}

at::Tensor Opt::step(std::span<const std::int32_t> tokens, nn::KvCache& cache) const {
  at::Tensor x = enter(embedding_(tokens).unsqueeze(1), cache.length() - 1);
  for (const OptLayer& layer : layers_) x = layer.step(x, cache);
  return leave(x);
}

}  // namespace instructblip
