// What the head of an encoded picture says, read by our own code before any codec sees the bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "image/codec.h"

namespace instructblip {

enum class ImageFormat { jpeg, png, gif, webp, bmp, tiff, jpeg2000, pnm };

struct ImageInfo {
  std::int64_t width = 0;  // pixels, as stored; not yet compared with any limit
  std::int64_t height = 0;
  std::optional<int> orientation;  // EXIF's or XMP's number as found; PNG's comes with its pixels
};

// By content. Throws Error: unsupported for a type that is known but not read, bad_image for bytes
// that are no picture.
ImageFormat identify_format(const EncodedImage& image);

// Throws Error: bad_image where the head is damaged, unsupported for variants that are not read.
ImageInfo read_info(const EncodedImage& image, ImageFormat format);

// Throws Error(bad_image) for a size that is none, or above the limits of `options`.
void check_size(const EncodedImage& image, const ImageInfo& info, const ImageOptions& options);

bool is_pnm(std::string_view text);

ImageInfo read_jpeg_info(const EncodedImage& image);
ImageInfo read_png_info(const EncodedImage& image);
ImageInfo read_gif_info(const EncodedImage& image);
ImageInfo read_webp_info(const EncodedImage& image);
ImageInfo read_bmp_info(const EncodedImage& image);
ImageInfo read_tiff_info(const EncodedImage& image);
ImageInfo read_jpeg2000_info(const EncodedImage& image);
ImageInfo read_pnm_info(const EncodedImage& image);

}  // namespace instructblip
