/// From OpenCV's pictures to the library's. Opt in: include it where OpenCV's headers are at hand;
/// the library itself shows none of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <opencv2/core.hpp>
#include <utility>
#include <vector>

#include "instructblip/error.h"
#include "instructblip/image.h"

namespace instructblip {

/// Copies a frame in OpenCV's channel order: grey (CV_8UC1), B G R (CV_8UC3) or B G R A (CV_8UC4,
/// whose alpha is dropped). Any stride; `mat` is not needed afterwards.
///
///     cv::VideoCapture camera(0);
///     cv::Mat frame;
///     camera >> frame;
///     std::cout << pipeline.generate(image_from_bgr(frame), "What is this?").text();
///
/// Threads: may be called from any thread.
/// Errors:  invalid_argument for an empty matrix, another type or more than two dimensions.
inline Image image_from_bgr(const cv::Mat& mat) {
  const int channels = mat.channels();
  const bool known = mat.depth() == CV_8U && (channels == 1 || channels == 3 || channels == 4);
  if (mat.empty() || mat.dims != 2 || !known) {
    throw Error(ErrorCode::invalid_argument,
                "a cv::Mat that is empty or of another type, expected CV_8UC1, CV_8UC3 or CV_8UC4");
  }
  std::vector<std::uint8_t> rgb(std::size_t{3} * mat.total());
  std::uint8_t* out = rgb.data();
  const int red = channels == 1 ? 0 : 2;
  const int green = channels == 1 ? 0 : 1;
  for (int y = 0; y < mat.rows; ++y) {
    const std::uint8_t* in = mat.ptr<std::uint8_t>(y);
    for (int x = 0; x < mat.cols; ++x, in += channels, out += 3) {
      out[0] = in[red];
      out[1] = in[green];
      out[2] = in[0];
    }
  }
  return Image::adopt(std::move(rgb), mat.cols, mat.rows);
}

}  // namespace instructblip
