#include "language/opt/opt.h"

#include <algorithm>
#include <string>
#include <utility>

#include "instructblip/error.h"
#include "nn/arithmetic.h"

namespace instructblip {
namespace {

// The first rows of the table belong to padding, which is never run here.
constexpr std::int64_t kUnusedPositions = 2;

// A tied head is not stored a second time.
nn::Linear read_head(const nn::Weights& weights, const OptConfig& config,
                     const nn::Embedding& embedding) {
  if (config.tie_word_embeddings) {
    weights.ignore("lm_head.weight");
    return nn::Linear(weights.runtime(), embedding.matrix());
  }
  return nn::Linear(weights.of(nn::Module::head) / "lm_head", config.embedding_width,
                    config.vocabulary, nn::Linear::Bias::none);
}

}  // namespace

Opt::Opt(const nn::Weights& weights, const OptConfig& config)
    : pool_(weights.runtime(), config.layers, config.heads, config.hidden / config.heads),
      embedding_(weights / "model" / "decoder" / "embed_tokens", config.vocabulary,
                 config.embedding_width, nn::Embedding::tied_if(config.tie_word_embeddings)),
      positions_(nn::Embedding(weights / "model" / "decoder" / "embed_positions",
                               config.max_positions + kUnusedPositions, config.hidden)
                     .from(kUnusedPositions)),
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
  if (config.final_norm) {
    final_norm_ = nn::OptionalNorm(opt_norm(decoder / "final_layer_norm", config));
  }
}

at::Tensor Opt::embed(std::span<const std::int32_t> ids) const {
  return embedding_(ids).unsqueeze(0);
}

std::unique_ptr<LanguageState> Opt::start(at::Tensor prompt) const {
  return std::make_unique<LanguageState>(std::move(prompt), pool_);
}

std::vector<std::int32_t> Opt::history(std::span<const std::int32_t> prompt) const {
  return {prompt.begin(), prompt.end()};
}

std::optional<std::int64_t> Opt::max_positions() const { return positions_.rows(); }

// Long prompts are refused before they come here.
void Opt::check_positions(std::span<const std::int64_t> positions) const {
  if (std::ranges::max(positions) < *max_positions()) return;
  throw Error(ErrorCode::invalid_argument,
              "the prompt and its continuation expect more positions than the " +
                  std::to_string(*max_positions()) + " of the language model",
              "shorten the instruction or lower max_new_tokens");
}

at::Tensor Opt::positions_at(const nn::RowPlaces& places) const {
  if (places.there.defined()) return positions_(places.there);
  return positions_(std::vector<std::int32_t>(places.positions.begin(), places.positions.end()));
}

nn::Sum Opt::forward(const at::Tensor& x, const PackedRows& packed, nn::Needed needed) const {
  const at::Tensor positions = positions_at(packed.places());
  nn::Sum h = nn::sum(project_in_ ? (*project_in_)(x) : x, positions);  // [N, D]
  for (const OptLayer& layer : layers_) {
    const bool last = &layer == &layers_.back();
    h = layer.forward(h, packed.rows(), last ? needed : nn::Needed::all);
  }
  return h;
}

at::Tensor Opt::logits_of(const nn::Sum& x) const {
  const nn::Normed h = final_norm_.of(x);
  return head_.wide(project_out_ ? nn::Normed((*project_out_)(h)) : h);
}

at::Tensor Opt::prefill(std::span<LanguageState* const> states) const {
  PackedPrompts packed(states, PackedPrompts::Into::cache);
  check_positions(packed.places().positions);
  const auto read = [&] {
    return logits_of(packed.last_rows(forward(packed.embedded(), packed, packed.needed())));
  };
  const at::Tensor logits = packed.run(read);  // [S, N]
  packed.keep();
  return logits;
}

StepLogits Opt::step(std::span<const LanguageStep> steps) const {
  PackedStep packed(steps, embedding_);
  check_positions(packed.places().positions);
  const at::Tensor logits =
      packed.run([&] { return logits_of(forward(packed.embedded(), packed, nn::Needed::all)); });
  packed.keep();
  return {logits, packed.recorded(*max_positions())};
}

}  // namespace instructblip
