// How the public Pipeline comes to a model.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "api/backend.h"
#include "pipeline/model.h"

namespace instructblip {

std::shared_ptr<const Pipeline::Impl> make_pipeline(std::shared_ptr<const Model> model);

// What a model is put together from.
struct ModelParts {
  ModelConfig config;
  ImageConfig image;
  std::shared_ptr<const TensorStore> weights;
  PromptBuilder prompts;
  std::string positions_limit = "as many as the language model has";
};

// The model of these parts, to run as `options` have it. Throws Error as Pipeline::load().
Model assemble(ModelParts parts, const LoadOptions& options);

// As Pipeline::load() and ImageFeatures::load().
std::shared_ptr<const Pipeline::Impl> load_pipeline(const std::filesystem::path& checkpoint_dir,
                                                    const LoadOptions& options);
ImageFeatures load_features(const std::filesystem::path& file);

}  // namespace instructblip
