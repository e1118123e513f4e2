#include "pipeline/stages.h"

namespace instructblip {
namespace {

std::int64_t language_width(const LanguageConfig& text) {
  return std::visit([](const auto& config) { return config.hidden; }, text);
}

std::optional<QFormer> make_qformer(const nn::Weights& root, const ModelConfig& config) {
  if (!config.qformer) return std::nullopt;
  return QFormer(root.of(nn::Module::qformer), *config.qformer);
}

}  // namespace

Stages::Stages(const nn::Weights& root, const ModelConfig& config,
               const VisionEncoder::PixelSize& size)
    : vision(make_vision_encoder(root.of(nn::Module::vision), config.vision, size)),
      qformer(make_qformer(root, config)),
      projection(make_projection(root.of(nn::Module::projection), config.projection,
                                 {config.qformer ? config.qformer->hidden : vision->width(),
                                  language_width(config.text)})),
      language(make_language_model(root.of(nn::Module::language) / "language_model", config.text)) {
}

}  // namespace instructblip
