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

TEST(Utf8, RoundTripsTheEdgesOfEachLength) {
  for (const char32_t c :
       {0x0, 0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFF, 0x10000, 0x10FFFF}) {
    std::string text;
    utf8::append(text, c);
    const auto decoded = utf8::decode(text);
    EXPECT_TRUE(decoded.valid);
    EXPECT_EQ(decoded.code_point, c);
    EXPECT_EQ(decoded.length, text.size());
    EXPECT_EQ(utf8::to_utf32(text), std::u32string(1, c));
    EXPECT_EQ(utf8::from_utf32(std::u32string(1, c)), text);
  }
}

TEST(Utf8, ReplacesEachInvalidByte) {
  EXPECT_EQ(utf8::to_utf32("a\xFF\xE2\x82z"), U"a\uFFFD\uFFFD\uFFFDz");
  EXPECT_EQ(utf8::find_invalid("ab\xE2\x82"), 2u);
  EXPECT_EQ(utf8::decode("").length, 0u);
}

// The examples of the Unicode standard, tables 3-8 to 3-11.
TEST(Utf8, ReplacesTheLongestStartOfASequence) {
  EXPECT_EQ(utf8::replace_invalid("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41"),
            utf8::from_utf32(U"\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFDA"));
  EXPECT_EQ(utf8::replace_invalid("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41"),
            utf8::from_utf32(U"\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFDA"));
  EXPECT_EQ(utf8::replace_invalid("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42"),
            utf8::from_utf32(U"\uFFFD\uFFFD\uFFFD\uFFFD\uFFFDA\uFFFD\uFFFDB"));
  EXPECT_EQ(utf8::replace_invalid("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"),
            utf8::from_utf32(U"\uFFFD\uFFFD\uFFFD\uFFFDA"));
  EXPECT_EQ(utf8::replace_invalid("caf\xC3\xA9 \xF0\x9F\x98"), "caf\xC3\xA9 \uFFFD");
}

TEST(Utf8, EveryCutOfATextIsHeldBackToWholeCharacters) {
  const std::string text = "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80z";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    const std::string_view part = std::string_view(text).substr(0, cut);
    const std::size_t whole = utf8::complete_prefix(part);
    EXPECT_FALSE(utf8::find_invalid(part.substr(0, whole))) << cut;
    EXPECT_LE(cut - whole, 3u) << cut;
  }
}

}  // namespace
}  // namespace instructblip
