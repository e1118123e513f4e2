#include "instructblip/image.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "golden_image.h"
#include "instructblip/error.h"

namespace instructblip {
namespace {

template <class Function>
void expect_refused(Function&& function, const std::string& part) {
  try {
    function();
    ADD_FAILURE() << "nothing was thrown, expected " << part;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument) << error.what();
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

TEST(Image, IsEmptyByDefault) {
  const Image image;
  EXPECT_TRUE(image.empty());
  EXPECT_EQ(image.width(), 0);
  EXPECT_EQ(image.height(), 0);
}

TEST(Image, ViewBorrowsThePixels) {
  std::vector<std::uint8_t> bytes = golden::noise_bytes(4, 3, 1);
  const Image image = Image::view(bytes.data(), 4, 3);
  EXPECT_EQ(image.width(), 4);
  EXPECT_EQ(image.height(), 3);
  EXPECT_EQ(image.stride(), 12);
  EXPECT_EQ(image.row(0), bytes.data());
  EXPECT_EQ(image.row(2), bytes.data() + 24);
}

TEST(Image, CopyKeepsThePixels) {
  std::vector<std::uint8_t> bytes = golden::noise_bytes(4, 3, 1);
  const std::vector<std::uint8_t> before = bytes;
  const Image image = Image::copy_of(bytes.data(), 2, 3, 12);
  bytes.assign(bytes.size(), 0);
  EXPECT_EQ(image.stride(), 6);
  for (int y = 0; y < 3; ++y) {
    for (int i = 0; i < 6; ++i) {
      EXPECT_EQ(image.row(y)[i], before[static_cast<std::size_t>(12 * y + i)]);
    }
  }
}

TEST(Image, CopiesOfTheHandleShareThePixels) {
  Image first = golden::noise(5, 5, 2);
  const Image second = first;
  first = Image();
  EXPECT_EQ(golden::crc(second), golden::crc(golden::noise(5, 5, 2)));
}

TEST(Image, RefusesBadViews) {
  const std::vector<std::uint8_t> bytes(300);
  expect_refused([&] { Image::view(bytes.data(), 0, 3); }, "0 x 3");
  expect_refused([&] { Image::view(bytes.data(), 3, -1); }, "3 x -1");
  expect_refused([&] { Image::view(bytes.data(), (1 << 24) + 1, 1); }, "16777216");
  expect_refused([&] { Image::view(nullptr, 3, 3); }, "null");
  expect_refused([&] { Image::view(bytes.data(), 5, 5, 14); }, "at least 15");
  expect_refused([&] { Image::view(bytes.data(), 5, 5, -15); }, "at least 15");
  expect_refused([&] { Image::copy_of(bytes.data(), 5, 5, 3); }, "at least 15");
  expect_refused([&] { Image::adopt(std::vector<std::uint8_t>(74), 5, 5); }, "expected 75");
  expect_refused([&] { Image::adopt({}, 0, 0); }, "0 x 0");
}

TEST(Image, RefusesALimitThatAdmitsNothing) {
  ImageOptions options;
  options.max_pixels = 0;
  expect_refused([&] { Image::decode({}, options); }, "max_pixels");
  options = {};
  options.max_bytes = -1;
  expect_refused([&] { Image::open("no such file", options); }, "max_bytes is -1");
  options = {};
  options.max_side = (1 << 24) + 1;
  expect_refused([&] { Image::decode({}, options); }, "at most 16777216");
}

}  // namespace
}  // namespace instructblip
