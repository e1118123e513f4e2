// How the public ImageTextMatcher comes to its stages.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "api/backend.h"
#include "config/model_config.h"
#include "image/image_processor.h"
#include "nn/runtime.h"
#include "retrieval/stages.h"
#include "text/text_checks.h"
#include "text/tokenizer.h"

namespace instructblip {

// The reference's processor makes it a token that stands for a row of the picture.
constexpr std::string_view kImageMarker = "<image>";

// What makes a matcher.
struct MatcherParts {
  ModelInfo info;
  ImageProcessor image_processor;
  std::unique_ptr<const Tokenizer> tokenizer;
  WordTable words;
  std::optional<TokenLimit> text_limit;
  std::int64_t max_tokens;
  std::unique_ptr<nn::Runtime> runtime;
  std::unique_ptr<const RetrievalStages> stages;  // null where load() left the weights alone
};

std::shared_ptr<const ImageTextMatcher::Impl> make_matcher(MatcherParts parts);

// As ImageTextMatcher::load().
std::shared_ptr<const ImageTextMatcher::Impl> load_matcher(
    const std::filesystem::path& checkpoint_dir, const LoadOptions& options);

}  // namespace instructblip
