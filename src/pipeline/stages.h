// The stages of a family, assembled: the one place that knows them all.
#pragma once

#include <memory>
#include <optional>

#include "config/model_config.h"
#include "language/language_model.h"
#include "nn/weights.h"
#include "projection/projection.h"
#include "qformer/qformer.h"
#include "vision/vision_encoder.h"

namespace instructblip {

// In the order of the data: pixels, visual rows, queries, rows of the prompt, logits.
struct Stages {
  std::unique_ptr<const VisionEncoder> vision;
  std::optional<QFormer> qformer;  // none: the projection takes the visual rows
  std::unique_ptr<const Projection> projection;
  std::unique_ptr<const LanguageModel> language;

  Stages(const nn::Weights& root, const ModelConfig& config, const VisionEncoder::PixelSize& size);
};

}  // namespace instructblip
