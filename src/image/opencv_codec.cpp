#include "image/opencv_codec.h"

#include <new>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>

namespace instructblip {
namespace {

OpenCvPicture decoded(std::span<const std::uint8_t> bytes) {
  // OpenCV reads only; its type knows no constness.
  const cv::Mat encoded(1, static_cast<int>(bytes.size()), CV_8U,
                        const_cast<std::uint8_t*>(bytes.data()));
  const auto mat = std::make_shared<const cv::Mat>(cv::imdecode(encoded, cv::IMREAD_UNCHANGED));
  OpenCvPicture picture;
  if (mat->type() != CV_8UC3 && mat->type() != CV_8UC4) return picture;
  if (mat->empty()) return picture;
  picture.outcome = OpenCvPicture::Outcome::decoded;
  picture.width = mat->cols;
  picture.height = mat->rows;
  picture.channels = mat->channels();
  picture.samples = mat->data;
  picture.row_bytes = mat->step;
  picture.owner = mat;
  return picture;
}

}  // namespace

OpenCvPicture decode_with_opencv(std::span<const std::uint8_t> bytes) noexcept {
  OpenCvPicture failed;
  try {
    return decoded(bytes);
  } catch (const cv::Exception& error) {
    failed.fault = error.err;
    if (error.code == cv::Error::StsNoMem) failed.outcome = OpenCvPicture::Outcome::out_of_memory;
  } catch (const std::bad_alloc&) {
    failed.outcome = OpenCvPicture::Outcome::out_of_memory;
  }
  return failed;
}

}  // namespace instructblip
