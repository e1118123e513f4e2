#include <gtest/gtest.h>

#include <span>
#include <string>

#include "golden_image.h"
#include "instructblip/error.h"

namespace instructblip {
namespace {

TEST(WithoutCodecs, SaysWhyNoFileIsRead) {
  try {
    Image::open(golden::photographs() / "coffee.jpg");
    ADD_FAILURE() << "a build without codecs has read a file";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::unsupported);
    EXPECT_NE(error.hint().find("INSTRUCTBLIP_WITH_OPENCV"), std::string::npos);
    EXPECT_NE(std::string(error.what()).find("coffee.jpg"), std::string::npos);
  }
  EXPECT_THROW(Image::check(golden::photographs() / "coffee.jpg"), Error);
}

TEST(WithoutCodecs, ReadsPnmWithinLimits) {
  const std::string file = "P6\n2 1\n255\nabcdef";
  const auto bytes = std::as_bytes(std::span(file));
  const Image image = Image::decode(bytes);
  EXPECT_EQ(image.width(), 2);
  EXPECT_EQ(image.row(0)[5], 'f');
  EXPECT_THROW(Image::decode(bytes, {.max_pixels = 1}), Error);
}

}  // namespace
}  // namespace instructblip
