// What the pipeline needs of a frozen image encoder, whichever it is.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>

#include "config/model_config.h"
#include "nn/weights.h"

namespace instructblip {

// B pictures | P positions that are handed on | V their width

// Immutable; safe to use from several threads.
class VisionEncoder {
 public:
  // The size in pixels of the pictures it will be given. Other than the config's image_size, it
  // needs the position table resized, which `interpolate` allows; else Error(bad_model).
  struct PixelSize {
    std::int64_t height, width;
    bool interpolate;
  };

  virtual ~VisionEncoder() = default;

  // Pixels [B, 3, height, width] -> [B, P, V], by encode(): a device that records launches does so
  // once for each B.
  at::Tensor forward(const at::Tensor& pixels) const;
  virtual std::int64_t positions() const = 0;
  virtual std::int64_t width() const = 0;

 protected:
  explicit VisionEncoder(const nn::Runtime& runtime) : runtime_(&runtime) {}

 private:
  virtual at::Tensor encode(const at::Tensor& pixels) const = 0;

  const nn::Runtime* runtime_;
};

// The image encoder that the config describes; `weights` at the checkpoint's root.
std::unique_ptr<const VisionEncoder> make_vision_encoder(const nn::Weights& weights,
                                                         const VisionConfig& config,
                                                         const VisionEncoder::PixelSize& size);

}  // namespace instructblip
