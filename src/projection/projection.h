// What the pipeline needs of the way from visual rows to the language model's width.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <span>

#include "checkpoint/model_config.h"
#include "checkpoint/tiling.h"
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

  // What the vision encoder is shown of a picture of this size: itself, and tiles of it. 0 where
  // there are tiles and the size is not known.
  virtual std::int64_t views_of(const PictureSize& picture) const;
  // Its rows of the prompt, where each view has Q rows.
  virtual std::int64_t rows_of(const PictureSize& picture, std::int64_t rows) const;
  // Projected rows of pictures, one after the other: [B, Q, L] -> [1, rows_of() all of them, L].
  // B is the number of all their views.
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
