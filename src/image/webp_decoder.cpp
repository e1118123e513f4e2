// The door to OpenCV, which reads WebP.
#include <cstring>
#include <new>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <string>

#include "image/decoders.h"
#include "image/webp_container.h"

namespace instructblip {
namespace {

// B G R or B G R A, as stored: nothing turned or converted.
cv::Mat decode(const EncodedImage& image, const std::string& file) {
  cv::Mat mat;
  try {
    // OpenCV reads only; its type knows no constness.
    const cv::Mat bytes(1, static_cast<int>(file.size()), CV_8U, const_cast<char*>(file.data()));
    mat = cv::imdecode(bytes, cv::IMREAD_UNCHANGED);
  } catch (const cv::Exception& error) {
    if (error.code == cv::Error::StsNoMem) throw std::bad_alloc();
    image.fail_bad("WebP: " + error.err);
  }
  if (mat.empty() || (mat.type() != CV_8UC3 && mat.type() != CV_8UC4)) {
    image.fail_bad("WebP: the picture is damaged");
  }
  return mat;
}

// Into `out` at (left, top).
void copy_samples(const cv::Mat& mat, Pixels& out, std::uint32_t left, std::uint32_t top) {
  const int channels = mat.channels();
  for (int y = 0; y < mat.rows; ++y) {
    const std::uint8_t* in = mat.ptr(y);
    std::uint8_t* to =
        out.row(y + static_cast<int>(top)) + left * static_cast<std::size_t>(out.channels);
    for (int x = 0; x < mat.cols; ++x, in += channels, to += out.channels) {
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
  const cv::Mat mat = decode(image, single_frame_file(container));
  if (mat.cols != static_cast<int>(container.frame_width) ||
      mat.rows != static_cast<int>(container.frame_height)) {
    image.fail_bad("WebP: the head of the file and its codec disagree about the size");
  }
  const bool has_alpha = container.animated ? container.has_alpha : mat.channels() == 4;
  Pixels pixels = Pixels::of_size(static_cast<int>(container.width),
                                  static_cast<int>(container.height), has_alpha ? 4 : 3);
  if (container.animated) {  // around the first frame the canvas is black and transparent
    std::memset(pixels.samples.get(), 0,
                pixels.row_bytes() * static_cast<std::size_t>(pixels.height));
  }
  copy_samples(mat, pixels, container.left, container.top);
  return pixels;
}

}  // namespace instructblip
