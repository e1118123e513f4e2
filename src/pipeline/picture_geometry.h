// How much room a picture takes. Arithmetic over config.json and the picture's size, so that a
// request is checked before any stage has run.
#pragma once

#include <cstdint>
#include <optional>

#include "config/model_config.h"
#include "config/tiling.h"
#include "vision/vision_encoder.h"

namespace instructblip {

class PictureGeometry {
 public:
  // `pixels`: size of the pictures that the vision encoder is given.
  PictureGeometry(const ModelConfig& config, const VisionEncoder::PixelSize& pixels);

  // Number of pictures that the vision encoder is given for one: itself, and its tiles. 0 where
  // there are tiles and the size is not known.
  std::int64_t views_of(const PictureSize& picture) const;
  // Number of rows of the prompt that a picture takes.
  std::int64_t rows_of(const PictureSize& picture) const;
  // Number of rows of a view that the projection takes.
  std::int64_t rows_per_view() const { return rows_per_view_; }
  // Number of rows of a view behind the vision encoder, and their width.
  std::int64_t positions() const { return positions_; }
  // The last of those rows are the patches, row by row.
  std::int64_t grid_rows() const { return grid_rows_; }
  std::int64_t grid_columns() const { return grid_columns_; }
  std::int64_t width() const { return width_; }

 private:
  std::int64_t positions_, width_, grid_rows_, grid_columns_;
  std::int64_t rows_per_view_;
  std::optional<TilingConfig> tiling_;
};

}  // namespace instructblip
