// config.json of BLIP-2's model for retrieval, which has no language model.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "config/model_config.h"

namespace instructblip {

struct RetrievalConfig {
  std::string model_type;  // "blip-2"
  VitConfig vision;
  QFormerConfig qformer;
  std::int64_t shared_width = 256;  // width of the space in which pictures and texts are compared
  ImageProcessorRules image_processor;
  std::span<const TensorRename> renames;
  std::optional<TokenLimit> text_limit;  // none: too long a text is refused
  RoundedTo rounded_to = nullptr;        // null: nothing is rounded
};

// Whether config.json of `directory` is that of such a model. Throws Error as read_model_config().
bool is_retrieval_config(const std::filesystem::path& directory);

// Throws Error as read_model_config(); unsupported where it is another model.
RetrievalConfig read_retrieval_config(const std::filesystem::path& directory);

}  // namespace instructblip
