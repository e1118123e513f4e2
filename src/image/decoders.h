// One function per codec: encoded bytes to 8-bit samples, decoded whole or refused.
//
// JPEG, PNG and TIFF are read with libjpeg, libpng and libtiff themselves, the libraries that
// OpenCV reads them with: through OpenCV, CMYK and alpha come converted, damaged files become
// pictures with grey halves, and complaints go to stderr. WebP has none of these troubles: it is
// read through opencv_codec.h. GIF, which OpenCV does not read, comes from giflib. A new codec
// needs a line in ImageFormat and a function here.
#pragma once

#include <optional>

#include "image/codec.h"

namespace instructblip {

// Three channels.
Pixels decode_jpeg(const EncodedImage& image);

// PNG keeps its orientation among the chunks that its codec reads.
struct PngPicture {
  Pixels pixels;  // three channels, or four with alpha
  std::optional<int> orientation;
};
PngPicture decode_png(const EncodedImage& image);

// Three channels, or four with alpha.
Pixels decode_bmp(const EncodedImage& image);
Pixels decode_gif(const EncodedImage& image);
Pixels decode_webp(const EncodedImage& image);
Pixels decode_tiff(const EncodedImage& image);
Pixels decode_jpeg2000(const EncodedImage& image);
// Three channels.
Pixels decode_pnm(const EncodedImage& image);

}  // namespace instructblip
