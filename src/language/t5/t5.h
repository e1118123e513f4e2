// T5, and with it Flan-T5: the encoder reads the visual prefix and the instruction, the decoder
// answers.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "config/model_config.h"
#include "language/language_model.h"
#include "language/packing.h"
#include "language/t5/t5_layer.h"
#include "nn/embedding.h"
#include "nn/relative_bias.h"

namespace instructblip {

class T5 final : public LanguageModel {
 public:
  T5(const nn::Weights& weights, const T5Config& config);

  at::Tensor embed(std::span<const std::int32_t> ids) const override;
  std::unique_ptr<LanguageState> start(at::Tensor prompt) const override;
  at::Tensor prefill(std::span<LanguageState* const> states) const override;
  StepLogits step(std::span<const LanguageStep> steps) const override;
  bool reads_forward() const override { return false; }
  std::vector<std::int32_t> history(std::span<const std::int32_t> prompt) const override;
  std::int64_t vocabulary() const override { return embedding_.rows(); }
  std::int64_t width() const override { return embedding_.width(); }

 private:
  // Fills the states' memories, and returns what they are made of, [all P, L].
  at::Tensor encode(const PackedPrompts& packed) const;
  // Logits [R, N] of the rows of a step.
  at::Tensor decode(const PackedStep& packed) const;

  std::int32_t decoder_start_;
  nn::KvPool pool_;
  nn::Embedding embedding_;
  nn::RelativeBias encoder_bias_, decoder_bias_;
  std::vector<T5EncoderBlock> encoder_;
  std::vector<T5DecoderBlock> decoder_;
  nn::RmsNorm encoder_norm_, decoder_norm_;
  nn::Linear head_;
};

}  // namespace instructblip
