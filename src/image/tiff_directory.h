// The first directory of a TIFF: what its picture is.
#pragma once

#include <cstdint>

#include "image/codec.h"

namespace instructblip {

enum class TiffColor { white_is_zero, black_is_zero, rgb, palette, cmyk };
enum class TiffExtra { none, unspecified, associated, unassociated };

struct TiffDirectory {
  std::uint32_t width = 0, height = 0;
  std::uint32_t bits = 1;     // bits of a sample
  std::uint32_t samples = 1;  // samples of a pixel
  TiffColor color = TiffColor::white_is_zero;
  TiffExtra extra = TiffExtra::none;  // what a fourth sample means
  bool is_ycbcr = false;              // JPEG inside, which its codec turns into rgb
};

// Throws Error: bad_image where the directory is damaged, unsupported for what is not read.
TiffDirectory read_tiff_directory(const EncodedImage& image);

}  // namespace instructblip
