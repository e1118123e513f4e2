#include "image/opencv_video.h"

#include <new>
#include <opencv2/core.hpp>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/videoio.hpp>
#include <string>
#include <utility>

namespace instructblip {
namespace {

class CaptureReader final : public FrameReader {
 public:
  explicit CaptureReader(cv::VideoCapture capture) : capture_(std::move(capture)) {}

  Head head() const noexcept override {
    const auto number = [&](int property) noexcept {
      try {
        return capture_.get(property);
      } catch (...) {
        return 0.0;
      }
    };
    // As cv2 turns it: what is not a number of frames becomes none.
    constexpr double kMost = 1LL << 31;
    const double total = number(cv::CAP_PROP_FRAME_COUNT);
    const double rate = number(cv::CAP_PROP_FPS);
    return {static_cast<std::int64_t>(number(cv::CAP_PROP_FRAME_WIDTH)),
            static_cast<std::int64_t>(number(cv::CAP_PROP_FRAME_HEIGHT)),
            total >= 1 && total < kMost ? static_cast<std::int64_t>(total) : 0,
            rate > 0 ? rate : 0};
  }

  bool skip() noexcept override {
    try {
      return capture_.grab();
    } catch (...) {
      return false;
    }
  }

  OpenCvPicture next() noexcept override {
    OpenCvPicture picture;
    try {
      const auto mat = std::make_shared<cv::Mat>();
      if (!capture_.read(*mat) || mat->empty() || mat->type() != CV_8UC3) return picture;
      picture.outcome = OpenCvPicture::Outcome::decoded;
      picture.width = mat->cols;
      picture.height = mat->rows;
      picture.channels = mat->channels();
      picture.samples = mat->data;
      picture.row_bytes = mat->step;
      picture.owner = mat;
    } catch (const cv::Exception& error) {
      if (error.code == cv::Error::StsNoMem)
        picture.outcome = OpenCvPicture::Outcome::out_of_memory;
    } catch (const std::bad_alloc&) {
      picture.outcome = OpenCvPicture::Outcome::out_of_memory;
    } catch (...) {
      picture.fault = "unknown reason";
    }
    return picture;
  }

 private:
  cv::VideoCapture capture_;
};

}  // namespace
}  // namespace instructblip

void instructblip_open_video(const char* file,
                             std::unique_ptr<instructblip::FrameReader>& reader) noexcept {
  try {
    cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
    cv::VideoCapture capture;
    capture.setExceptionMode(false);
    if (!capture.open(std::string(file), cv::CAP_FFMPEG)) return;
    reader = std::make_unique<instructblip::CaptureReader>(std::move(capture));
  } catch (...) {
    reader.reset();
  }
}
