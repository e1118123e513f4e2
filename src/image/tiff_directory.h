// The first directory of a TIFF: what its picture is and where it lies.
#pragma once

#include <cstdint>
#include <string>

#include "image/codec.h"

namespace instructblip {

enum class TiffExtra { none, unspecified, associated, unassociated };

struct TiffDirectory {
  std::uint32_t width = 0, height = 0;
  std::uint32_t bits = 1;     // of each sample
  std::uint32_t samples = 1;  // of each pixel
  std::uint32_t photometric = 0;
  std::uint32_t compression = 1;
  TiffExtra extra = TiffExtra::none;  // what a fourth sample means
  bool little_endian = true;
  // Where the values of these tags stand in the file; 0 where there are none.
  std::uint64_t orientation_at = 0, extra_at = 0;
};

// Throws Error: bad_image where the directory is damaged or pixels lie past the end of the file,
// unsupported for what would not come out as Pillow reads it.
TiffDirectory read_tiff_directory(const EncodedImage& image);

// The file with its orientation taken out and a fourth sample that libtiff leaves alone: the
// first is applied elsewhere, and libtiff would multiply alpha into the colours.
std::string plain_tiff(const EncodedImage& image, const TiffDirectory& directory);

}  // namespace instructblip
