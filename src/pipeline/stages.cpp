#include "pipeline/stages.h"

namespace instructblip {
namespace {

std::int64_t language_width(const LanguageConfig& text) {
  return std::visit([](const auto& config) { return config.hidden; }, text);
}

}  // namespace

Stages::Stages(const nn::Weights& root, const ModelConfig& config,
               const VisionEncoder::PixelSize& size)
    : vision(root / "vision_model", config.vision, size),
      qformer(root, config.qformer),
      projection(root / "language_projection", config.qformer.hidden, language_width(config.text)),
      language(make_language_model(root / "language_model", config.text)) {}

}  // namespace instructblip
