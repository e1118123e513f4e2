// A map over a grid, laid over a picture.
#pragma once

#include <span>

#include "instructblip/image.h"

namespace instructblip {

// In pixels of the picture.
struct Region {
  double left = 0, top = 0, width = 0, height = 0;
};

// The map blown up bilinearly to `region` and mixed into the picture in the colours of Turbo: the
// warmer, the less of the picture is left. `weights` [rows, columns], finite and at least 0; all 0
// changes nothing.
Image draw_heat_map(const Image& picture, std::span<const float> weights, int rows, int columns,
                    const Region& region);

}  // namespace instructblip
