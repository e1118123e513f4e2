#include "pipeline/picture_geometry.h"

#include <variant>

namespace instructblip {
namespace {

std::int64_t class_rows(const VitConfig&) { return 1; }
std::int64_t class_rows(const ClipVisionConfig& config) { return config.class_row ? 1 : 0; }

std::int64_t width_of(const VitConfig& config) { return config.hidden; }
std::int64_t width_of(const ClipVisionConfig& config) { return config.width(); }

}  // namespace

PictureGeometry::PictureGeometry(const ModelConfig& config,
                                 const VisionEncoder::PixelSize& pixels) {
  std::visit(
      [&](const auto& vision) {
        grid_rows_ = pixels.height / vision.patch_size;
        grid_columns_ = pixels.width / vision.patch_size;
        positions_ = grid_rows_ * grid_columns_ + class_rows(vision);
        width_ = width_of(vision);
      },
      config.vision);
  rows_per_view_ = config.qformer ? config.qformer->queries : positions_;
  if (const auto* tiled = std::get_if<TiledProjectionConfig>(&config.projection)) {
    tiling_ = tiled->tiling;
  }
}

std::int64_t PictureGeometry::views_of(const PictureSize& picture) const {
  if (!tiling_) return 1;
  return picture == PictureSize{} ? 0 : 1 + layout_of(*tiling_, picture).tiles();
}

std::int64_t PictureGeometry::rows_of(const PictureSize& picture) const {
  return rows_per_view_ + (tiling_ ? layout_of(*tiling_, picture).positions() : 0);
}

}  // namespace instructblip
