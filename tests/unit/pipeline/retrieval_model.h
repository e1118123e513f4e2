// The stages of a BLIP-2 for retrieval, made for a runtime of the test's own.
#pragma once

#include <memory>
#include <string>

#include "loading/loading.h"
#include "retrieval/stages.h"
#include "unit/pipeline/toys.h"

namespace instructblip::test {

// A golden checkpoint's, and the size of its pictures.
struct RetrievalModel {
  ImageConfig image;
  std::unique_ptr<const RetrievalStages> stages;
};

inline RetrievalModel load_retrieval(const std::string& name, nn::Runtime& runtime,
                                     const LoadOptions& options = {}) {
  RetrievalConfig config = read_retrieval_config(checkpoint(name));
  const ImageConfig image = read_image_config(checkpoint(name), config.image_processor);
  const auto store = open_weights(checkpoint(name), options, config);
  ModelInfo info;
  return {image, build_stages(
                     store, read_as(options, nullptr), runtime, info, [&](const nn::Weights& root) {
                       return std::make_unique<const RetrievalStages>(
                           root, config, VisionEncoder::PixelSize{image.height, image.width, true});
                     })};
}

}  // namespace instructblip::test
