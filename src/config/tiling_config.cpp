#include "config/tiling_config.h"

#include <string>

#include "core/limits.h"

namespace instructblip {

std::vector<PictureSize> read_grid(const std::optional<Json>& value) {
  if (!value) return {{336, 672}, {672, 336}, {672, 672}, {1008, 336}, {336, 1008}};
  const auto most = static_cast<std::size_t>(limits::kTileResolutions);
  if (!value->is_array() || value->size() == 0 || value->size() > most) {
    value->fail("an array of 1 to " + std::to_string(most) + " pairs of height and width");
  }
  std::vector<PictureSize> grid;
  for (const Json& pair : value->elements()) {
    if (!pair.is_array() || pair.size() != 2) pair.fail("[height, width]");
    const PictureSize size = {pair[0].integer(1, limits::kImageSide),
                              pair[1].integer(1, limits::kImageSide)};
    if (size.height * size.width > limits::kImagePixels) {
      pair.fail("at most " + std::to_string(limits::kImagePixels) + " pixels");
    }
    grid.push_back(size);
  }
  return grid;
}

}  // namespace instructblip
