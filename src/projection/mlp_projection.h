// The projection of LLaVA. Liu et al., Improved Baselines with Visual Instruction Tuning, 2023.
#pragma once

#include <optional>

#include "nn/linear.h"
#include "projection/projection.h"

namespace instructblip {

class MlpProjection final : public Projection {
 public:
  // `weights` at the checkpoint's `multi_modal_projector`.
  MlpProjection(const nn::Weights& weights, const MlpProjectionConfig& config,
                const ProjectionWidths& widths);

  at::Tensor forward(const at::Tensor& rows) const override;

 private:
  nn::Linear first_;
  const nn::Runtime* runtime_;
  Activation activation_;
  std::optional<nn::Linear> second_;  // none: a single layer, and no activation
};

}  // namespace instructblip
