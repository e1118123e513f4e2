// LLaVA-NeXT's: pictures of several tiles, put together again.
#pragma once

#include "config/tiling.h"
#include "projection/mlp_projection.h"

namespace instructblip {

// A picture's rows are those of the whole picture, then those of its tiles as if they were one
// large picture: line by line, without the margin, a learned row behind each line.
class TiledProjection final : public Projection {
 public:
  // `weights` at the checkpoint's root.
  TiledProjection(const nn::Weights& weights, const TiledProjectionConfig& config,
                  const ProjectionWidths& widths);

  at::Tensor forward(const at::Tensor& rows) const override { return mlp_.forward(rows); }
  at::Tensor arrange(const at::Tensor& projected,
                     std::span<const PictureSize> pictures) const override;

 private:
  // Projected tiles [T, Q, L] -> [positions, L].
  at::Tensor put_together(const at::Tensor& tiles, const TileLayout& layout) const;

  TilingConfig tiling_;
  MlpProjection mlp_;
  at::Tensor line_end_;  // [L]
};

}  // namespace instructblip
