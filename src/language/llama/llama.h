// LLaMA, and with it Vicuna and Mistral: a decoder that reads the visual prefix as if it were text.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "config/model_config.h"
#include "language/language_model.h"
#include "language/llama/llama_layer.h"
#include "language/packing.h"
#include "nn/embedding.h"

namespace instructblip {

class Llama final : public LanguageModel {
 public:
  Llama(const nn::Weights& weights, const LlamaConfig& config);

  at::Tensor embed(std::span<const std::int32_t> ids) const override;
  std::unique_ptr<LanguageState> start(at::Tensor prompt) const override;
  at::Tensor prefill(std::span<LanguageState* const> states) const override;
  StepLogits step(std::span<const LanguageStep> steps) const override;
  std::vector<std::int32_t> history(std::span<const std::int32_t> prompt) const override;
  std::int64_t vocabulary() const override { return head_.rows(); }
  std::int64_t width() const override { return embedding_.width(); }
  std::optional<std::int64_t> max_positions() const override { return window_; }

 private:
  // A token behind the window would no longer see all that stand before it.
  void check_window(std::span<const std::int64_t> positions) const;

  // Rows [N, L] through all layers -> those of them that are needed, before the last norm.
  nn::Sum forward(nn::Sum x, const PackedRows& packed, nn::Needed needed) const;

  nn::KvPool pool_;
  nn::Embedding embedding_;
  nn::RotaryEmbedding rotary_;
  std::vector<LlamaLayer> layers_;
  nn::RmsNorm final_norm_;
  nn::Linear head_;
  std::optional<std::int64_t> window_;
};

}  // namespace instructblip
