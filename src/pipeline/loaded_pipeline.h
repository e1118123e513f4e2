// How the public Pipeline comes to a model.
#pragma once

#include <filesystem>
#include <memory>

#include "api/backend.h"
#include "pipeline/model.h"

namespace instructblip {

std::shared_ptr<const Pipeline::Impl> make_pipeline(std::shared_ptr<const Model> model);

// As Pipeline::load() and ImageFeatures::load().
std::shared_ptr<const Pipeline::Impl> load_pipeline(const std::filesystem::path& checkpoint_dir,
                                                    const LoadOptions& options);
ImageFeatures load_features(const std::filesystem::path& file);

}  // namespace instructblip
