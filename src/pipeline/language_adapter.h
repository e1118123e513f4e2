// A language model's tensors as the plain numbers that decoding works with.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

#include "decoding/language_session.h"
#include "language/language_model.h"
#include "nn/compute_thread.h"

namespace instructblip {

class LanguageAdapter final : public LanguageSession {
 public:
  // `prompt` [1, P, L]. Each step takes its turn on `compute`.
  LanguageAdapter(nn::ComputeThread& compute, const LanguageModel& model, at::Tensor prompt);

  std::int64_t vocabulary() const override { return vocabulary_; }
  std::span<const float> prefill() override;
  std::span<const float> step(std::span<const std::int32_t> sources,
                              std::span<const std::int32_t> tokens) override;

 private:
  std::span<const float> keep(at::Tensor logits);

  nn::ComputeThread& compute_;
  std::unique_ptr<LanguageModelSession> session_;
  std::int64_t vocabulary_;
  at::Tensor logits_;  // [R, N] of the last call
};

}  // namespace instructblip
