#include <gtest/gtest.h>

#include "instructblip/adapters/opencv.h"

namespace instructblip {
namespace {

TEST(OpenCvAdapter, TurnsBgrIntoRgb) {
  cv::Mat mat(2, 3, CV_8UC3, cv::Scalar(1, 2, 3));
  mat.at<cv::Vec3b>(1, 2) = {10, 20, 30};
  const Image image = image_from_bgr(mat);
  mat.setTo(0);  // the image has its own pixels
  ASSERT_EQ(image.width(), 3);
  ASSERT_EQ(image.height(), 2);
  EXPECT_EQ(image.row(0)[0], 3);
  EXPECT_EQ(image.row(0)[1], 2);
  EXPECT_EQ(image.row(0)[2], 1);
  EXPECT_EQ(image.row(1)[6], 30);
  EXPECT_EQ(image.row(1)[7], 20);
  EXPECT_EQ(image.row(1)[8], 10);
}

TEST(OpenCvAdapter, DropsAlpha) {
  const Image image = image_from_bgr(cv::Mat(1, 2, CV_8UC4, cv::Scalar(1, 2, 3, 4)));
  EXPECT_EQ(image.row(0)[0], 3);
  EXPECT_EQ(image.row(0)[3], 3);
  EXPECT_EQ(image.row(0)[5], 1);
}

TEST(OpenCvAdapter, RepeatsGreyAndReadsParts) {
  cv::Mat mat(4, 5, CV_8UC1, cv::Scalar(7));
  mat.at<std::uint8_t>(2, 3) = 9;
  const Image image = image_from_bgr(mat(cv::Rect(2, 1, 3, 2)));
  ASSERT_EQ(image.width(), 3);
  ASSERT_EQ(image.height(), 2);
  EXPECT_EQ(image.row(0)[0], 7);
  for (int channel = 0; channel < 3; ++channel) EXPECT_EQ(image.row(1)[3 + channel], 9);
}

TEST(OpenCvAdapter, RefusesOtherMatrices) {
  const int sizes[] = {2, 2, 2};
  for (const cv::Mat& mat : {cv::Mat(), cv::Mat(2, 2, CV_32FC3), cv::Mat(2, 2, CV_16UC1),
                             cv::Mat(2, 2, CV_8UC2), cv::Mat(3, sizes, CV_8UC1)}) {
    try {
      image_from_bgr(mat);
      ADD_FAILURE() << "accepted type " << mat.type();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    }
  }
}

}  // namespace
}  // namespace instructblip
