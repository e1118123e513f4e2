// Frames of video files: those that OpenCV gives, in the order of time.
#include "instructblip/video.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <opencv2/core.hpp>
#include <opencv2/videoio.hpp>

#include "instructblip/adapters/opencv.h"
#include "support/avi_file.h"
#include "support/expect_error.h"
#include "support/temp_directory.h"

namespace instructblip::test {
namespace {

std::vector<std::uint8_t> pixels_of(const Image& image) {
  std::vector<std::uint8_t> rgb;
  for (int y = 0; y < image.height(); ++y) {
    rgb.insert(rgb.end(), image.row(y), image.row(y) + std::ptrdiff_t{3} * image.width());
  }
  return rgb;
}

// A motion JPEG by OpenCV: a square that wanders.
std::string motion_jpeg(const TempDirectory& folder, int frames) {
  std::string file = folder / "square.avi";
  cv::VideoWriter writer(file, cv::CAP_OPENCV_MJPEG, cv::VideoWriter::fourcc('M', 'J', 'P', 'G'),
                         25, {64, 48});
  for (int i = 0; i < frames; ++i) {
    cv::Mat frame(48, 64, CV_8UC3, cv::Scalar(20 + 9 * i, 200 - 7 * i, 90));
    frame(cv::Rect(3 * i, 2 * i, 9, 9)).setTo(cv::Scalar(255, 30 * i, 0));
    writer.write(frame);
  }
  return file;
}

TEST(VideoFile, HasTheFramesOfOpenCv) {
  const TempDirectory folder;
  const std::string file = motion_jpeg(folder, 13);
  const Video video = Video::read(file, {.frames = 5});
  ASSERT_EQ(video.frames().size(), 5u);
  EXPECT_EQ(video.total(), 13);
  EXPECT_DOUBLE_EQ(video.frames_per_second(), 25);
  cv::VideoCapture capture(file, cv::CAP_FFMPEG);
  std::vector<cv::Mat> all;
  for (cv::Mat frame; capture.read(frame); frame = cv::Mat()) all.push_back(frame);
  ASSERT_EQ(all.size(), 13u);
  const std::vector<std::int64_t> places = {0, 2, 5, 7, 10};
  EXPECT_EQ(std::vector(video.places().begin(), video.places().end()), places);
  for (std::size_t i = 0; i < places.size(); ++i) {
    const Image want = image_from_bgr(all[static_cast<std::size_t>(places[i])]);
    EXPECT_EQ(pixels_of(video.frames()[i]), pixels_of(want)) << i;
  }
}

TEST(VideoFile, UncompressedFramesComeBackAsTheyWere) {
  const TempDirectory folder;
  const std::vector<TestFrame> frames = test_frames(8);
  folder.write("raw.avi", avi_of(frames));
  const Video video = Video::read(folder / "raw.avi", {.frames = 8});
  ASSERT_EQ(video.frames().size(), 8u);
  for (std::size_t i = 0; i < 8; ++i) EXPECT_EQ(pixels_of(video.frames()[i]), frames[i].rgb) << i;
}

TEST(VideoFile, SaysWhatIsWrongWithIt) {
  const TempDirectory folder;
  const auto refused = [&](ErrorCode code, const std::string& name, const std::string& message) {
    expect_error(code, message, [&] { Video::read(folder / name); });
  };
  refused(ErrorCode::not_found, "none.avi", "none.avi: cannot be opened: No such file");
  refused(ErrorCode::bad_image, ".", "expected a video file, got a folder");
  folder.write("empty.avi", "");
  refused(ErrorCode::bad_image, "empty.avi", "the file is empty");
  folder.write("text.avi", "no video at all, whatever its name says");
  refused(ErrorCode::bad_image, "text.avi", "text.avi: no video that FFmpeg reads");
  folder.write("short.avi", avi_of(test_frames(3)));
  refused(ErrorCode::bad_image, "short.avi", "short.avi: the video has 3 frames, expected 4");
  folder.write("large.avi", avi_of(test_frames(4)));
  expect_error(ErrorCode::bad_image, "expected at most 40 along a side",
               [&] { Video::read(folder / "large.avi", {.limits = {.max_side = 40}}); });
}

TEST(VideoFile, DamagedHalfWayIsNoVideoOfFewerFrames) {
  const TempDirectory folder;
  const std::string whole = avi_of(test_frames(12));
  folder.write("half.avi", whole.substr(0, whole.size() / 2));
  expect_error(ErrorCode::bad_image,
               "half.avi: ", [&] { Video::read(folder / "half.avi", {.frames = 12}); });
  folder.write("claims.avi", avi_of(test_frames(5), /*claimed=*/50));
  expect_error(ErrorCode::bad_image, "ends behind 5 frames, expected 50 as its head says",
               [&] { Video::read(folder / "claims.avi"); });
}

}  // namespace
}  // namespace instructblip::test
