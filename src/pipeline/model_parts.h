// What a loaded checkpoint is made of. load() assembles it; everything that answers requests reads
// it.
#pragma once

#include <memory>
#include <string>

#include "config/model_config.h"
#include "image/image_processor.h"
#include "instructblip/checkpoint.h"
#include "nn/runtime.h"
#include "pipeline/image_reader.h"
#include "pipeline/picture_geometry.h"
#include "pipeline/prompt.h"
#include "pipeline/stages.h"
#include "pipeline/work_counts.h"

namespace instructblip {

struct ModelParts {
  ModelInfo info;
  TextGenerationDefaults generation_defaults;
  ImageProcessor image_processor;
  PictureGeometry geometry;
  PromptBuilder prompts;
  std::unique_ptr<nn::Runtime> runtime;
  std::unique_ptr<const Stages> stages;  // null where load() left the weights alone
  std::unique_ptr<ImageReader> reader;   // null where there are no stages
  // What limits the positions of the language model, for messages.
  std::string positions_limit = "as many as the language model has";
  // What the language model has done so far.
  std::unique_ptr<WorkCounts> counts = std::make_unique<WorkCounts>();

  // Throws Error(invalid_argument) where there are none.
  const Stages& loaded() const;
};

}  // namespace instructblip
