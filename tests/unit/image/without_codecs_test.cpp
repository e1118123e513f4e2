#include <gtest/gtest.h>

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

}  // namespace
}  // namespace instructblip
