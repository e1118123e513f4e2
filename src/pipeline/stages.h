// The stages of a family, assembled: the one place that knows them all.
#pragma once

#include <memory>

#include "checkpoint/model_config.h"
#include "language/language_model.h"
#include "nn/weights.h"
#include "projection/projection.h"
#include "qformer/qformer.h"
#include "vision/vision_encoder.h"

namespace instructblip {

// In the order of the data: pixels, visual features, queries, prefix, logits.
struct Stages {
  VisionEncoder vision;
  QFormer qformer;
  Projection projection;
  std::unique_ptr<const LanguageModel> language;

  Stages(const nn::Weights& root, const ModelConfig& config, const VisionEncoder::PixelSize& size);
};

}  // namespace instructblip
