// What the pipeline needs of the way from visual rows to the language model's width.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <span>

#include "config/model_config.h"
#include "config/tiling.h"
#include "nn/weights.h"

namespace instructblip {

// B pictures | Q rows of each: queries (32), or positions where there is no Q-Former
// D their width (768) | L hidden of the language model

// Immutable; safe to use from several threads.
class Projection {
 public:
  virtual ~Projection() = default;
  // [B, Q, D] -> the visual rows of the prompt [B, Q, L].
  virtual at::Tensor forward(const at::Tensor& rows) const = 0;

  // Projected rows of pictures, one after the other: [B, Q, L] -> [1, R, L].
  // B is the number of all their views, R that
  // of their rows in the prompt.
  virtual at::Tensor arrange(const at::Tensor& projected,
                             std::span<const PictureSize> pictures) const;
};

struct ProjectionWidths {
  std::int64_t from, to;  // D, L
};

// The projection that the config describes; `weights` at the checkpoint's root.
std::unique_ptr<const Projection> make_projection(const nn::Weights& weights,
                                                  const ProjectionConfig& config,
                                                  const ProjectionWidths& widths);

}  // namespace instructblip
