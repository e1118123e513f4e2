// Stands in for the codecs in a build without OpenCV, which reads PNM alone: the type that needs no
// library.
#include "core/errors.h"
#include "image/byte_reader.h"
#include "image/decoders.h"
#include "image/image_info.h"
#include "image/png_encoder.h"
#include "instructblip/video.h"

namespace instructblip {

void check_image(const EncodedImage& image, const ImageOptions& options) {
  if (!is_pnm(as_text(image.bytes))) {
    throw Error(ErrorCode::unsupported,
                image.name + ": this build of the library reads no image files but PNM",
                "build it with INSTRUCTBLIP_WITH_OPENCV=ON, or pass pixels to Image::view()");
  }
  check_size(image, read_pnm_info(image), options);
}

Pixels decode_image(const EncodedImage& image, const ImageOptions& options) {
  check_image(image, options);
  return decode_pnm(image);
}

std::vector<std::uint8_t> encode_png(const Image&) {
  throw Error(ErrorCode::unsupported, "this build of the library writes no image files",
              "build it with INSTRUCTBLIP_WITH_OPENCV=ON");
}

Video Video::read(const std::filesystem::path& file, const VideoOptions&) {
  throw Error(ErrorCode::unsupported,
              printable(file.string()) + ": this build of the library reads no videos",
              "build it with INSTRUCTBLIP_WITH_OPENCV=ON, or give the frames to Video::Video()");
}

}  // namespace instructblip
