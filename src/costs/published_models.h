// The configs of published checkpoints, for models of full size whose weights are made up.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "config/image_config.h"
#include "config/model_config.h"

namespace instructblip::costs {

struct PublishedModel {
  std::string_view name;     // "instructblip-flan-t5-xl"
  std::string_view purpose;  // where its sizes are published
  ModelConfig (*config)();
};

// Two small ones, which nobody has published, come last: for tests.
std::span<const PublishedModel> published_models();

// Throws Error(invalid_argument) with the names that there are.
ModelConfig published_config(std::string_view name);

// At most so many layers of each stack, 1 at least.
void cut_layers(ModelConfig& config, std::int64_t layers);

// Pictures as the vision encoder wants them.
ImageConfig image_config_for(const ModelConfig& config);

}  // namespace instructblip::costs
