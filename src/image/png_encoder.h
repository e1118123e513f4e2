// From pixels to a PNG.
#pragma once

#include <cstdint>
#include <vector>

#include "instructblip/image.h"

namespace instructblip {

// The bytes of an 8-bit RGB PNG of a picture that is not empty. Throws Error: out_of_memory;
// unsupported in a build without codecs.
std::vector<std::uint8_t> encode_png(const Image& image);

}  // namespace instructblip
