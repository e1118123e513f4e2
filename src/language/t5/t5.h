// T5, and with it Flan-T5: the encoder reads the visual prefix and the instruction, the decoder
// answers.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "checkpoint/model_config.h"
#include "language/language_model.h"
#include "language/t5/relative_position_bias.h"
#include "language/t5/t5_layer.h"
#include "nn/embedding.h"

namespace instructblip {

class T5 final : public LanguageModel {
 public:
  T5(const nn::Weights& weights, const T5Config& config);

  at::Tensor embed(std::span<const std::int32_t> ids) const override;
  std::unique_ptr<LanguageModelSession> start(at::Tensor prompt) const override;
  std::vector<std::int32_t> history(std::span<const std::int32_t> prompt) const override;
  std::int64_t vocabulary() const override { return embedding_.rows(); }
  std::int64_t width() const override { return embedding_.width(); }

  // The prompt [1, P, L] -> what each decoder block looks at.
  std::vector<T5CrossMemory> encode(const at::Tensor& prompt) const;
  // One token for each hypothesis -> logits [R, N].
  at::Tensor step(std::span<const std::int32_t> tokens, const std::vector<T5CrossMemory>& memories,
                  nn::KvCache& cache) const;
  std::int64_t decoder_layers() const { return static_cast<std::int64_t>(decoder_.size()); }
  std::int32_t decoder_start() const { return decoder_start_; }

 private:
  std::int32_t decoder_start_;
  nn::Embedding embedding_;
  RelativePositionBias encoder_bias_, decoder_bias_;
  std::vector<T5EncoderBlock> encoder_;
  std::vector<T5DecoderBlock> decoder_;
  nn::RmsNorm encoder_norm_, decoder_norm_;
  nn::Linear head_;
  double head_scale_;  // of the decoder's output, before the head
};

}  // namespace instructblip
