#include "options/argument.h"

#include <gtest/gtest.h>

#include "instructblip/error.h"

namespace instructblip::options {
namespace {

Argument of(std::string_view text) { return {"--it", text}; }

TEST(ArgumentTest, ReadsSizesWithTheirUnits) {
  EXPECT_EQ(of("7").bytes(), 7);
  EXPECT_EQ(of("2KB").bytes(), 2000);
  EXPECT_EQ(of("2KiB").bytes(), 2048);
  EXPECT_EQ(of("640MiB").bytes(), 640 << 20);
  EXPECT_EQ(of("4GB").bytes(), 4'000'000'000);
  EXPECT_EQ(of("1GiB").bytes(), 1 << 30);
  EXPECT_EQ(of("0").bytes(0), 0);
  for (const char* wrong : {"", "0", "-1", "MB", "1 MB", "1mb", "1.5GB", "9999999999GiB", "5B"}) {
    EXPECT_THROW(of(wrong).bytes(), Error) << wrong;
  }
}

TEST(ArgumentTest, RefusesWhatIsNotTheWholeValue) {
  EXPECT_EQ(of("-3").integer(), -3);
  EXPECT_EQ(of("1e-1").number(), 0.1);
  for (const char* wrong : {"", "+2", " 2", "2 ", "0x10", "1e3", "1.0", "99999999999999999999"}) {
    EXPECT_THROW(of(wrong).integer(), Error) << wrong;
  }
  for (const char* wrong : {"", "nan", "inf", "1e999", "0,9", "1.5x"}) {
    EXPECT_THROW(of(wrong).number(), Error) << wrong;
  }
}

TEST(ArgumentTest, SaysWhatWasExpectedAndHidesControlBytes) {
  try {
    of("\x1b[31mred").boolean();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    EXPECT_STREQ(error.what(), "--it: expected true or false, got '\\x1b[31mred'");
  }
}

}  // namespace
}  // namespace instructblip::options
