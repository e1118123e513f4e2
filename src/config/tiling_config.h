// image_grid_pinpoints, which config.json and the image settings both have.
#pragma once

#include <optional>
#include <vector>

#include "config/tiling.h"
#include "core/json.h"

namespace instructblip {

// Pairs of height and width; the reference's own where there is no value. Throws Error(bad_model).
std::vector<PictureSize> read_grid(const std::optional<Json>& value);

}  // namespace instructblip
