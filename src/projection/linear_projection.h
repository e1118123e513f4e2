// The projection of the BLIP families.
#pragma once

#include "nn/linear.h"
#include "projection/projection.h"

namespace instructblip {

class LinearProjection final : public Projection {
 public:
  // `weights` at the checkpoint's `language_projection`.
  LinearProjection(const nn::Weights& weights, const ProjectionWidths& widths)
      : linear_(weights, widths.from, widths.to) {}

  at::Tensor forward(const at::Tensor& rows) const override { return linear_(rows); }

 private:
  nn::Linear linear_;
};

}  // namespace instructblip
