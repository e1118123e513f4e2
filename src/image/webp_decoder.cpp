// WebP: the container by our own code, the codes of the picture by OpenCV.
#include <cstring>
#include <new>
#include <span>
#include <string>

#include "image/decoders.h"
#include "image/opencv_codec.h"
#include "image/webp_container.h"

namespace instructblip {
namespace {

OpenCvPicture decode(const EncodedImage& image, const std::string& file) {
  OpenCvPicture picture =
      decode_with_opencv({reinterpret_cast<const std::uint8_t*>(file.data()), file.size()});
  switch (picture.outcome) {
    case OpenCvPicture::Outcome::decoded:
      return picture;
    case OpenCvPicture::Outcome::out_of_memory:
      throw std::bad_alloc();
    case OpenCvPicture::Outcome::damaged:
      break;
  }
  image.fail_bad("WebP: " + (picture.fault.empty() ? "the picture is damaged" : picture.fault));
}

// Into `out` at (left, top).
void copy_samples(const OpenCvPicture& from, Pixels& out, std::uint32_t left, std::uint32_t top) {
  const int channels = from.channels;
  for (int y = 0; y < from.height; ++y) {
    const std::uint8_t* in = from.samples + static_cast<std::size_t>(y) * from.row_bytes;
    std::uint8_t* to =
        out.row(y + static_cast<int>(top)) + left * static_cast<std::size_t>(out.channels);
    for (int x = 0; x < from.width; ++x, in += channels, to += out.channels) {
      to[0] = in[2];
      to[1] = in[1];
      to[2] = in[0];
      if (out.channels == 4) to[3] = channels == 4 ? in[3] : 255;
    }
  }
}

}  // namespace

Pixels decode_webp(const EncodedImage& image) {
  const WebpContainer container = read_webp_container(image);
  const OpenCvPicture frame = decode(image, single_frame_file(container));
  if (frame.width != static_cast<int>(container.frame_width) ||
      frame.height != static_cast<int>(container.frame_height)) {
    image.fail_bad("WebP: the head of the file and its codec disagree about the size");
  }
  const bool has_alpha = container.animated ? container.has_alpha : frame.channels == 4;
  Pixels pixels = Pixels::of_size(static_cast<int>(container.width),
                                  static_cast<int>(container.height), has_alpha ? 4 : 3);
  if (container.animated) {  // around the first frame the canvas is black and transparent
    std::memset(pixels.samples.get(), 0,
                pixels.row_bytes() * static_cast<std::size_t>(pixels.height));
  }
  copy_samples(frame, pixels, container.left, container.top);
  return pixels;
}

}  // namespace instructblip
