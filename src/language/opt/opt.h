// OPT: a decoder that reads the visual prefix as if it were text, at learned positions.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "config/model_config.h"
#include "language/language_model.h"
#include "language/opt/opt_layer.h"
#include "language/packing.h"
#include "nn/embedding.h"

namespace instructblip {

// E width of the embeddings: D, but for the smallest model | D hidden

class Opt final : public LanguageModel {
 public:
  Opt(const nn::Weights& weights, const OptConfig& config);

  // [1, T, E], without positions.
  at::Tensor embed(std::span<const std::int32_t> ids) const override;
  // `prompt` [1, P, E]. A prefill or a step that would pass the end of the table of positions
  // throws Error(invalid_argument).
  std::unique_ptr<LanguageState> start(at::Tensor prompt) const override;
  at::Tensor prefill(std::span<LanguageState* const> states) const override;
  StepLogits step(std::span<const LanguageStep> steps) const override;
  std::vector<std::int32_t> history(std::span<const std::int32_t> prompt) const override;
  std::int64_t vocabulary() const override { return embedding_.rows(); }
  std::int64_t width() const override { return embedding_.width(); }
  std::optional<std::int64_t> max_positions() const override;

 private:
  // Rows [N, E] through all layers -> [N, D], before the last norm.
  nn::Sum forward(const at::Tensor& x, const PackedRows& packed, nn::Needed needed) const;
  void check_positions(std::span<const std::int64_t> positions) const;
  // What is added to rows at these n places, [n, D].
  at::Tensor positions_at(const nn::RowPlaces& places) const;
  // x [B, D] -> logits [B, N].
  at::Tensor logits_of(const nn::Sum& x) const;

  nn::KvPool pool_;
  nn::Embedding embedding_;
  nn::Embedding positions_;  // max_positions rows
  std::optional<nn::Linear> project_in_, project_out_;
  std::vector<OptLayer> layers_;
  nn::OptionalNorm final_norm_;
  nn::Linear head_;
};

}  // namespace instructblip
