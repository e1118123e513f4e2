#include "nn/replay.h"
#include "vision/clip.h"
#include "vision/vision_encoder.h"
#include "vision/vit.h"

namespace instructblip {
namespace {

// A row for each image encoder: the config it is described by, the class that runs it.
struct Factory {
  const nn::Weights& weights;
  const VisionEncoder::PixelSize& size;

  std::unique_ptr<const VisionEncoder> operator()(const VitConfig& config) const {
    return std::make_unique<Vit>(weights / "vision_model", config, size);
  }
  std::unique_ptr<const VisionEncoder> operator()(const ClipVisionConfig& config) const {
    return std::make_unique<ClipVision>(weights / "vision_tower", config, size);
  }
};

}  // namespace

at::Tensor VisionEncoder::forward(const at::Tensor& pixels) const {
  return nn::replayed(*runtime_, {reinterpret_cast<std::int64_t>(this)}, {pixels},
                      [this](const nn::Tensors& inputs) { return encode(inputs[0]); });
}

std::unique_ptr<const VisionEncoder> make_vision_encoder(const nn::Weights& weights,
                                                         const VisionConfig& config,
                                                         const VisionEncoder::PixelSize& size) {
  return std::visit(Factory{weights, size}, config);
}

}  // namespace instructblip
