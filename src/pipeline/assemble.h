// The parts of a model, put together from what describes it.
#pragma once

#include <memory>
#include <string>

#include "checkpoint/tensor_store.h"
#include "config/image_config.h"
#include "config/model_config.h"
#include "instructblip/checkpoint.h"
#include "pipeline/model_parts.h"

namespace instructblip {

struct ModelSources {
  ModelConfig config;
  ImageConfig image;
  std::shared_ptr<const TensorStore> weights;
  PromptBuilder prompts;
  std::string positions_limit = "as many as the language model has";
};

// To run as `options` have it. Throws Error as Pipeline::load().
ModelParts assemble(ModelSources sources, const LoadOptions& options);

}  // namespace instructblip
