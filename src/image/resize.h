// Bicubic resizing of 8-bit RGB, equal to the bit with the library that ResizeMode names.
#pragma once

#include <cstdint>
#include <vector>

#include "instructblip/image.h"

namespace instructblip {

// Returns [height, width, 3] without padding. `image` is not empty; both sizes are at least 1.
std::vector<std::uint8_t> resize_bicubic(const Image& image, int height, int width,
                                         ResizeMode mode);

}  // namespace instructblip
