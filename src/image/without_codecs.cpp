// Stands in for the codecs in a build without OpenCV: pictures come as raw RGB only.
#include "image/codec.h"
#include "image/png_encoder.h"
#include "instructblip/error.h"

namespace instructblip {

void EncodedImage::fail_bad(const std::string& what) const {
  throw Error(ErrorCode::bad_image, name + ": " + what);
}

void EncodedImage::fail_limit(const std::string& found, const std::string& limit,
                              const std::string& option) const {
  throw Error(ErrorCode::bad_image, name + ": " + found + ", expected at most " + limit,
              "raise ImageOptions::" + option);
}

void EncodedImage::fail_unsupported(const std::string& what, const std::string& hint) const {
  throw Error(ErrorCode::unsupported, name + ": " + what + " is not read", hint);
}

void check_image(const EncodedImage& image, const ImageOptions& options) {
  decode_image(image, options);
}

Pixels decode_image(const EncodedImage& image, const ImageOptions&) {
  throw Error(ErrorCode::unsupported,
              image.name + ": this build of the library reads no image files",
              "build it with INSTRUCTBLIP_WITH_OPENCV=ON, or pass pixels to Image::view()");
}

std::vector<std::uint8_t> encode_png(const Image&) {
  throw Error(ErrorCode::unsupported, "this build of the library writes no image files",
              "build it with INSTRUCTBLIP_WITH_OPENCV=ON");
}

}  // namespace instructblip
