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
}  // namespace instructblip

void instructblip_decode_with_opencv(const std::uint8_t* bytes, std::size_t count,
                                     instructblip::OpenCvPicture& picture) noexcept {
  using Outcome = instructblip::OpenCvPicture::Outcome;
  try {
    picture = instructblip::decoded({bytes, count});
  } catch (const cv::Exception& error) {
    picture.fault = error.err;
    if (error.code == cv::Error::StsNoMem) picture.outcome = Outcome::out_of_memory;
  } catch (const std::bad_alloc&) {
    picture.outcome = Outcome::out_of_memory;
  }
}
