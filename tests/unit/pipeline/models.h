// Models made for a runtime of the test's own, as load() makes them.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <variant>

#include "config/image_config.h"
#include "loading/loading.h"
#include "pipeline/model_parts.h"
#include "unit/pipeline/toys.h"

namespace instructblip::test {

// The model of a directory; `change` may replace stages.
inline std::unique_ptr<const ModelParts> load(
    const std::filesystem::path& directory, std::unique_ptr<nn::Runtime> runtime,
    const LoadOptions& options, const std::function<void(Stages&)>& change = [](Stages&) {}) {
  ModelConfig config = read_model_config(directory);
  const ImageConfig image = read_image_config(directory, config.image_processor);
  const auto store = open_weights(directory, options, config);
  const std::int64_t words =
      std::visit([](const auto& text) -> std::int64_t { return text.vocabulary; }, config.text);
  PromptBuilder prompts(directory, config, words);
  ModelInfo info;
  info.stop_tokens = config.generation.eos;
  info.vocabulary = static_cast<int>(words);
  info.language_width =
      static_cast<int>(std::visit([](const auto& text) { return text.hidden; }, config.text));
  const VisionEncoder::PixelSize size{image.height, image.width, /*interpolate=*/true};
  auto stages = build_stages(
      store, read_as(options, nullptr), *runtime, info,
      [&](const nn::Weights& root) { return std::make_unique<Stages>(root, config, size); });
  change(*stages);
  ImageProcessor image_processor(image, options.resize);
  auto reader = std::make_unique<ImageReader>(*runtime, *stages, image_processor.values(),
                                              options.cache_bytes);
  return std::make_unique<const ModelParts>(ModelParts{
      std::move(info), config.generation, std::move(image_processor), PictureGeometry(config, size),
      std::move(prompts), std::move(runtime), std::move(stages), std::move(reader)});
}

// The golden checkpoint of this name.
inline std::unique_ptr<const ModelParts> load(
    const std::string& name, std::unique_ptr<nn::Runtime> runtime = std::make_unique<nn::Runtime>(),
    const std::function<void(Stages&)>& change = [](Stages&) {}) {
  return load(checkpoint(name), std::move(runtime), LoadOptions(), change);
}

}  // namespace instructblip::test
