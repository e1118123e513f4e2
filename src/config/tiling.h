// LLaVA-NeXT's tiles: a picture is looked at as a whole and, larger, in square tiles. How many
// there are, and which of their positions show the picture, follows from the picture's size alone.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace instructblip {

// In pixels.
struct PictureSize {
  std::int64_t height = 0;
  std::int64_t width = 0;

  bool operator==(const PictureSize&) const = default;
};

// The member of `grid`, which is not empty, that keeps most of the picture's pixels; of equals the
// one with the smallest margin, then the first. transformers/image_processing_utils.py,
// select_best_resolution().
PictureSize best_resolution(const PictureSize& picture, std::span<const PictureSize> grid);

// What the picture becomes in `resolution`: as large as goes in, its aspect kept.
// get_patch_output_size(), same file.
PictureSize fitted(const PictureSize& picture, const PictureSize& resolution);

struct TilingConfig {
  std::vector<PictureSize> grid;  // each a multiple of `side`
  std::int64_t side = 0;          // side of a tile, in pixels
  std::int64_t patches = 0;       // along a tile's side
};

// The tiles of one picture, and the positions of all of them put together, of which a margin is
// left out.
struct TileLayout {
  std::int64_t rows, columns;  // numbers of tiles
  std::int64_t first_row, kept_rows;
  std::int64_t first_column, kept_columns;

  std::int64_t tiles() const { return rows * columns; }
  // With one for the end of each row.
  std::int64_t positions() const { return kept_rows * (kept_columns + 1); }
};

// modeling_llava_next.py, get_anyres_image_grid_shape() and unpad_image().
TileLayout layout_of(const TilingConfig& tiling, const PictureSize& picture);

}  // namespace instructblip
