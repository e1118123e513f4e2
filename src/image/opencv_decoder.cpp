// The door to OpenCV, which reads WebP and TIFF.
#include <algorithm>
#include <cstring>
#include <new>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <string>

#include "image/decoders.h"
#include "image/tiff_directory.h"
#include "image/webp_container.h"

namespace instructblip {
namespace {

// As stored: no conversion, no turning.
cv::Mat decode(const EncodedImage& image, const std::string& file, const char* type) {
  cv::Mat mat;
  try {
    // OpenCV reads only; its type knows no constness.
    const cv::Mat bytes(1, static_cast<int>(file.size()), CV_8U, const_cast<char*>(file.data()));
    mat = cv::imdecode(bytes, cv::IMREAD_UNCHANGED);
  } catch (const cv::Exception& error) {
    if (error.code == cv::Error::StsNoMem) throw std::bad_alloc();
    image.fail_bad(std::string(type) + ": " + error.err);
  }
  if (mat.empty()) image.fail_bad(std::string(type) + ": the picture is damaged");
  return mat;
}

// A sample as Pillow makes it one byte: it clips 16-bit grey and keeps the high byte of colours.
std::uint8_t sample(const cv::Mat& mat, const std::uint8_t* pixel, int channel) {
  if (mat.depth() == CV_8U) return pixel[channel];
  std::uint16_t value;
  std::memcpy(&value, pixel + 2 * channel, sizeof value);
  if (mat.channels() > 1) return static_cast<std::uint8_t>(value >> 8);
  return static_cast<std::uint8_t>(std::min<int>(value, 255));
}

// Into `out` at (left, top): grey, B G R or B G R A to R G B or R G B A.
void copy_samples(const cv::Mat& mat, Pixels& out, std::uint32_t left = 0, std::uint32_t top = 0) {
  const int channels = mat.channels();
  for (int y = 0; y < mat.rows; ++y) {
    const std::uint8_t* in = mat.ptr(y);
    std::uint8_t* to =
        out.row(y + static_cast<int>(top)) + left * static_cast<std::size_t>(out.channels);
    for (int x = 0; x < mat.cols; ++x, in += mat.elemSize(), to += out.channels) {
      to[0] = sample(mat, in, channels > 1 ? 2 : 0);
      to[1] = sample(mat, in, channels > 1 ? 1 : 0);
      to[2] = sample(mat, in, 0);
      if (out.channels == 4) to[3] = channels == 4 ? sample(mat, in, 3) : 255;
    }
  }
}

void check_kind(const EncodedImage& image, const cv::Mat& mat, std::uint32_t width,
                std::uint32_t height, const char* type) {
  const bool samples = mat.depth() == CV_8U || mat.depth() == CV_16U;
  const bool channels = mat.channels() == 1 || mat.channels() == 3 || mat.channels() == 4;
  if (!samples || !channels || mat.cols != static_cast<int>(width) ||
      mat.rows != static_cast<int>(height)) {
    image.fail_bad(std::string(type) + ": the head of the file and its codec disagree");
  }
}

// Pillow's way from multiplied to plain colours.
void unmultiply(Pixels& pixels) {
  const std::size_t count =
      static_cast<std::size_t>(pixels.width) * static_cast<std::size_t>(pixels.height);
  for (std::size_t i = 0; i < count; ++i) {
    std::uint8_t* pixel = pixels.samples.get() + 4 * i;
    const int alpha = pixel[3];
    if (alpha == 0 || alpha == 255) continue;
    for (int channel = 0; channel < 3; ++channel) {
      pixel[channel] = static_cast<std::uint8_t>(std::min(255, 255 * pixel[channel] / alpha));
    }
  }
}

}  // namespace

Pixels decode_webp(const EncodedImage& image) {
  const WebpContainer container = read_webp_container(image);
  const cv::Mat mat = decode(image, single_frame_file(container), "WebP");
  check_kind(image, mat, container.frame_width, container.frame_height, "WebP");
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

Pixels decode_tiff(const EncodedImage& image) {
  const TiffDirectory directory = read_tiff_directory(image);
  const cv::Mat mat = decode(image, plain_tiff(image, directory), "TIFF");
  check_kind(image, mat, directory.width, directory.height, "TIFF");
  const bool has_alpha =
      directory.extra == TiffExtra::associated || directory.extra == TiffExtra::unassociated;
  Pixels pixels = Pixels::of_size(mat.cols, mat.rows, has_alpha ? 4 : 3);
  copy_samples(mat, pixels);
  if (directory.extra == TiffExtra::associated) unmultiply(pixels);
  return pixels;
}

}  // namespace instructblip
