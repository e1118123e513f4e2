// The head of a JPEG 2000 file (ISO/IEC 15444-1 annexes A and I): what its picture is.
#pragma once

#include <cstdint>
#include <span>

#include "image/codec.h"

namespace instructblip {

// plain: grey or RGB, by the number of components
enum class Jpeg2000Color { plain, ycc, cmyk };

struct Jpeg2000Head {
  bool is_boxed = false;                // a JP2 file; else a bare codestream
  std::uint32_t left = 0, top = 0;      // place of the picture on its reference grid
  std::uint32_t right = 0, bottom = 0;  // one past the last
  std::uint32_t tiles = 0;
  std::uint32_t components = 0;  // 1: grey, 2: with alpha, 3: RGB or YCC, 4: with alpha; or CMYK
  std::uint32_t bits = 8;        // bits of a sample, the same for all, 1 to 16
  bool is_signed = false;
  Jpeg2000Color color = Jpeg2000Color::plain;
};

// Throws Error: bad_image where the head is damaged, unsupported for what is not read.
Jpeg2000Head read_jpeg2000_head(const EncodedImage& image);

}  // namespace instructblip
