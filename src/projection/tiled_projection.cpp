#include "projection/tiled_projection.h"

#include <ATen/ops/cat.h>

#include <string>
#include <vector>

#include "instructblip/error.h"

namespace instructblip {

TiledProjection::TiledProjection(const nn::Weights& weights, const TiledProjectionConfig& config,
                                 const ProjectionWidths& widths)
    : tiling_(config.tiling),
      mlp_(weights / "multi_modal_projector", config.mlp, widths),
      line_end_(weights.vector("image_newline", {widths.to})) {}

at::Tensor TiledProjection::put_together(const at::Tensor& tiles, const TileLayout& layout) const {
  const std::int64_t side = tiling_.patches, width = tiles.size(2);
  const at::Tensor grid = tiles.view({layout.rows, layout.columns, side, side, width})
                              .permute({0, 2, 1, 3, 4})
                              .reshape({layout.rows * side, layout.columns * side, width})
                              .narrow(0, layout.first_row, layout.kept_rows)
                              .narrow(1, layout.first_column, layout.kept_columns);
  const at::Tensor ends = line_end_.expand({layout.kept_rows, 1, width});
  return at::cat({grid, ends}, 1).reshape({layout.positions(), width});
}

at::Tensor TiledProjection::arrange(const at::Tensor& projected,
                                    std::span<const PictureSize> pictures) const {
  std::vector<at::Tensor> parts;
  std::int64_t read = 0;
  for (const PictureSize& picture : pictures) {
    const TileLayout layout = layout_of(tiling_, picture);
    if (read + 1 + layout.tiles() > projected.size(0)) {
      throw Error(ErrorCode::internal, "a picture has fewer tiles than its size asks for");
    }
    parts.push_back(projected[read]);
    parts.push_back(put_together(projected.narrow(0, read + 1, layout.tiles()), layout));
    read += 1 + layout.tiles();
  }
  return at::cat(parts).unsqueeze(0);
}

}  // namespace instructblip
