// GIFs put together by hand: what is refused, and pixels that can be told without the reference.
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "golden_image.h"
#include "instructblip/error.h"

namespace instructblip {
namespace {

using namespace std::string_literals;

Image decode(const std::string& bytes) { return Image::decode(std::as_bytes(std::span(bytes))); }

std::string u16(int value) {
  return {static_cast<char>(value & 255), static_cast<char>(value >> 8 & 255)};
}

// Red, green, blue, white.
const std::string kPalette = "\xFF\0\0\0\xFF\0\0\0\xFF\xFF\xFF\xFF"s;
constexpr int kClear = 4, kEnd = 5, kFirst = 6;  // two-bit codes

std::string screen(int width, int height) {
  return "GIF89a" + u16(width) + u16(height) + "\x81\0\0"s + kPalette;
}

// The frame's head up to the code size, two bits.
std::string frame(int left, int top, int width, int height, const std::string& code_size = "\2") {
  return "," + u16(left) + u16(top) + u16(width) + u16(height) + "\0"s + code_size;
}

// One block and the end of the list. Three bits for each code while there are few since a clear.
std::string codes(const std::vector<int>& values) {
  std::string bytes;
  unsigned held = 0, count = 0;
  for (const int value : values) {
    held |= static_cast<unsigned>(value) << count;
    for (count += 3; count >= 8; count -= 8, held >>= 8) bytes += static_cast<char>(held & 255);
  }
  if (count > 0) bytes += static_cast<char>(held);
  return static_cast<char>(bytes.size()) + bytes + '\0';
}

std::string control(int transparent) {
  return "!\xF9\4\1\0\0"s + static_cast<char>(transparent) + '\0';
}

// A letter for each pixel, rows one after another.
std::string letters(const Image& image) {
  std::string text;
  for (int y = 0; y < image.height(); ++y) {
    for (int x = 0; x < image.width(); ++x) {
      const std::uint8_t* rgb = image.row(y) + 3 * x;
      const int bits = (rgb[0] > 0 ? 4 : 0) | (rgb[1] > 0 ? 2 : 0) | (rgb[2] > 0 ? 1 : 0);
      text += ".bg?r??w"[bits];
    }
    text += '\n';
  }
  return text;
}

TEST(Gif, StringsAreThoseOfTheirCodes) {
  // The second code is the string that it makes itself.
  EXPECT_EQ(letters(decode(screen(3, 1) + frame(0, 0, 3, 1) + codes({kClear, 1, kFirst, kEnd}))),
            "ggg\n");
  EXPECT_EQ(letters(decode(screen(2, 2) + frame(0, 0, 2, 2) + codes({0, 1, kFirst, kEnd}))),
            "rg\nrg\n");
  EXPECT_EQ(letters(decode(screen(2, 2) + frame(0, 0, 2, 2) +
                           codes({kClear, kClear, 0, 2, kClear, 3, kClear, 1}))),
            "rb\nwg\n");
}

TEST(Gif, AStringMayReachBeyondTheLastPixel) {
  EXPECT_EQ(letters(decode(screen(2, 1) + frame(0, 0, 2, 1) + codes({kClear, 1, kFirst, 3}))),
            "gg\n");
}

TEST(Gif, AroundTheFrameIsTheTransparentColourOrTheFirst) {
  const std::string small = frame(1, 1, 1, 1) + codes({kClear, 3, kEnd});
  EXPECT_EQ(letters(decode(screen(3, 2) + small)), "rrr\nrwr\n");
  EXPECT_EQ(letters(decode(screen(3, 2) + control(2) + small)), "bbb\nbwb\n");
  ImageOptions white;
  white.background = AlphaBackground::white;
  const std::string clear = screen(3, 2) + control(2) + small;
  EXPECT_EQ(letters(Image::decode(std::as_bytes(std::span(clear)), white)), "www\nwww\n");
}

TEST(Gif, TheCanvasGrowsWithTheFrame) {
  const std::string pixel = codes({kClear, 3, kEnd});
  EXPECT_EQ(letters(decode(screen(1, 1) + frame(2, 1, 1, 1) + pixel)), "rrr\nrrw\n");
  EXPECT_EQ(letters(decode(screen(0, 0) + frame(0, 0, 1, 1) + pixel)), "w\n");
}

TEST(Gif, NothingAfterTheLastPixelMatters) {
  const std::string picture = screen(2, 1) + frame(0, 0, 2, 1);
  const std::string pixels = codes({kClear, 1, 2, kEnd});
  const std::string unended = pixels.substr(0, pixels.size() - 1);
  for (const std::string& rest : {""s, "\0"s, "\0;"s, "\xFF\1"s, "\0,\xFF\xFF"s, "\0more"s}) {
    EXPECT_EQ(letters(decode(picture + unended + rest)), "gb\n");
  }
}

TEST(Gif, TheLimitsHoldForTheGrownCanvas) {
  for (const std::string& bytes :
       {screen(65535, 65535) + frame(0, 0, 65535, 65535), screen(1, 1) + frame(65534, 65534, 1, 1),
        screen(65535, 1) + frame(0, 65535, 1, 1), screen(13400, 1) + frame(0, 0, 1, 13400)}) {
    try {
      decode(bytes);
      ADD_FAILURE() << "a picture over the limits was decoded";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::bad_image);
      EXPECT_NE(std::string(error.what()).find("expected"), std::string::npos) << error.what();
    }
  }
}

struct Row {
  const char* name;
  std::string bytes;
  const char* part;  // part of the message
};

TEST(Gif, DamageIsNamed) {
  const std::string head = screen(2, 2);
  const std::string begun = head + frame(0, 0, 2, 2);
  const std::string pixels = codes({kClear, 0, 1, kClear, 2, 3, kEnd});
  ASSERT_EQ(letters(decode(begun + pixels)), "rg\nbw\n");
  const std::vector<Row> rows = {
      {"signature only", "GIF89a", "cut short"},
      {"another version", "GIF88a" + head.substr(6), "not a picture"},
      {"a screen without the rest", head.substr(0, 12), "cut short"},
      {"half of a palette", head.substr(0, 18), "cut short"},
      {"no frame", head, "cut short"},
      {"the end instead of a frame", head + ";", "no picture"},
      {"stray bytes instead of a frame", head + "abc"s, "cut short"},
      {"half of a frame's head", begun.substr(0, begun.size() - 4), "cut short"},
      {"half of a local palette", head + begun.substr(25, 9) + "\x87" + kPalette, "cut short"},
      {"no codes", begun, "cut short"},
      {"half of the codes", begun + pixels.substr(0, 3), "cut short"},
      {"an empty block", begun + "\0"s + pixels, "damaged"},
      {"codes that end early", begun + codes({kClear, 0, 1, kEnd}), "last pixel"},
      {"blocks that end early", begun + codes({kClear, 0}), "damaged"},
      {"a string before any", begun + codes({kClear, kFirst, 1, 2}), "damaged"},
      {"a string not yet made", begun + codes({kClear, 0, kFirst + 1, 2}), "damaged"},
      {"a string from before a clear", begun + codes({kClear, 0, 1, kClear, kFirst}), "damaged"},
      {"codes of no bits", head + frame(0, 0, 2, 2, "\0"s) + pixels, "code size"},
      {"codes of one bit", head + frame(0, 0, 2, 2, "\1") + pixels, "code size"},
      {"codes of nine bits", head + frame(0, 0, 2, 2, "\x09") + pixels, "code size"},
      {"codes of 255 bits", head + frame(0, 0, 2, 2, "\xFF") + pixels, "code size"},
      {"a frame without width", head + frame(0, 0, 0, 2) + pixels, "without pixels"},
      {"a frame without height", head + frame(0, 0, 2, 0) + pixels, "without pixels"},
      {"a short control", head + "!\xF9\2\0\0\0"s + frame(0, 0, 2, 2) + pixels, "2 bytes"},
      {"a control without its index", head + "!\xF9\3\1\0\0\0"s + frame(0, 0, 2, 2) + pixels,
       "3 bytes"},
      {"half of an extension", head + "!\xFE\x20words", "cut short"},
      {"half of an extension's head", head + "!", "cut short"},
  };
  for (const Row& row : rows) {
    try {
      ADD_FAILURE() << row.name << ": decoded as " << letters(decode(row.bytes));
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::bad_image) << row.name << ": " << error.what();
      EXPECT_NE(std::string(error.what()).find(row.part), std::string::npos)
          << row.name << ": " << error.what();
    }
  }
}

}  // namespace
}  // namespace instructblip
