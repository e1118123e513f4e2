// What a build without codecs has, too.
#include <algorithm>
#include <string>

#include "core/errors.h"
#include "image/codec.h"
#include "image/image_info.h"

namespace instructblip {

void EncodedImage::fail_bad(const std::string& what) const {
  // On the same line: one line is one picture where many are answered about.
  const bool is_cut = what.find("cut short") != std::string::npos;
  throw Error(ErrorCode::bad_image,
              name + ": " + what + (is_cut ? ", download or copy it again" : ""));
}

void EncodedImage::fail_limit(const std::string& found, const std::string& limit,
                              const std::string& option) const {
  std::string flag = option;
  std::replace(flag.begin(), flag.end(), '_', '-');
  throw Error(ErrorCode::bad_image, name + ": " + found + ", expected at most " + limit,
              "raise ImageOptions::" + option + ", on the command line --" + flag +
                  ", or make the picture smaller");
}

void EncodedImage::fail_unsupported(const std::string& what, const std::string& hint) const {
  throw Error(ErrorCode::unsupported, name + ": " + what + " is not read", hint);
}

Pixels Pixels::of_size(int width, int height, int channels) {
  Pixels pixels{width, height, channels, {}};
  pixels.samples = std::make_unique_for_overwrite<std::uint8_t[]>(pixels.row_bytes() *
                                                                  static_cast<std::size_t>(height));
  return pixels;
}

void check_size(const EncodedImage& image, const ImageInfo& info, const ImageOptions& options) {
  const std::string found = "a picture of " + std::to_string(info.width) + " x " +
                            std::to_string(info.height) + " pixels";
  if (info.width < 1 || info.height < 1) image.fail_bad(found);
  if (std::max(info.width, info.height) > options.max_side) {
    image.fail_limit(found, std::to_string(options.max_side) + " along a side", "max_side");
  }
  if (info.width * info.height > options.max_pixels) {
    image.fail_limit(found, std::to_string(options.max_pixels) + " in all", "max_pixels");
  }
}

}  // namespace instructblip
