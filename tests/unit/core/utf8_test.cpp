#include "core/utf8.h"

#include <gtest/gtest.h>

namespace instructblip {
namespace {

TEST(Utf8, RejectsOverlongSurrogatesAndBeyondTheLastPlane) {
  for (const char* text :
       {"\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xFF", "a\x80"}) {
    EXPECT_TRUE(utf8::find_invalid(text).has_value()) << text;
  }
  EXPECT_FALSE(utf8::find_invalid("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80").has_value());
}

TEST(Utf8, CompletePrefixHoldsBackOnlyWhatMoreBytesCouldFinish) {
  EXPECT_EQ(utf8::complete_prefix("ab\xF0\x9F\x98"), 2u);
  EXPECT_EQ(utf8::complete_prefix("ab\xF0\x9F\x98\x80"), 6u);
  EXPECT_EQ(utf8::complete_prefix("ab\xE2"), 2u);
  EXPECT_EQ(utf8::complete_prefix("ab\x80"), 3u);      // can never become valid
  EXPECT_EQ(utf8::complete_prefix("ab\xE0\x80"), 4u);  // overlong: can never become valid
}

}  // namespace
}  // namespace instructblip
