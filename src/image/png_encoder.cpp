#include "image/png_encoder.h"

#include <png.h>

#include <string>

namespace instructblip {

std::vector<std::uint8_t> encode_png(const Image& image) {
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  png.width = static_cast<png_uint_32>(image.width());
  png.height = static_cast<png_uint_32>(image.height());
  png.format = PNG_FORMAT_RGB;
  const auto stride = static_cast<png_int_32>(image.stride());
  png_alloc_size_t size = 0;
  std::vector<std::uint8_t> bytes;
  // Once for the size, once for the bytes.
  for (int pass = 0; pass < 2; ++pass) {
    bytes.resize(size);
    if (png_image_write_to_memory(&png, pass == 0 ? nullptr : bytes.data(), &size,
                                  /*convert_to_8_bit=*/0, image.row(0), stride, nullptr) == 0) {
      throw Error(ErrorCode::internal, "PNG: the picture cannot be written: " +
                                           std::string(static_cast<const char*>(png.message)));
    }
  }
  bytes.resize(size);
  return bytes;
}

}  // namespace instructblip
