#include "image/resize.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "golden_image.h"

namespace instructblip {
namespace {

constexpr ResizeMode kModes[] = {ResizeMode::pillow13, ResizeMode::pillow12,
                                 ResizeMode::torchvision};

TEST(Resize, EqualsTheReferences) {
  const auto rows = golden::read_table("resized.txt");
  ASSERT_EQ(rows.size(), 50U);
  std::uint32_t seed = 0;
  for (const auto& row : rows) {
    ASSERT_EQ(row.size(), 7U);
    const Image image = golden::noise(std::stoi(row[0]), std::stoi(row[1]), seed++);
    for (std::size_t mode = 0; mode < 3; ++mode) {
      EXPECT_EQ(
          golden::crc(resize_bicubic(image, std::stoi(row[3]), std::stoi(row[2]), kModes[mode])),
          row[4 + mode])
          << row[0] << " x " << row[1] << " to " << row[2] << " x " << row[3] << ", mode " << mode;
    }
  }
}

TEST(Resize, TheOrderOfPassesMatters) {
  const Image tall = golden::noise(60, 900, 1);
  EXPECT_NE(resize_bicubic(tall, 224, 224, ResizeMode::pillow13),
            resize_bicubic(tall, 224, 224, ResizeMode::pillow12));
}

TEST(Resize, LeavesAConstantPictureConstant) {
  for (const int value : {0, 1, 127, 254, 255}) {
    const std::vector<std::uint8_t> bytes(3 * 37 * 91, static_cast<std::uint8_t>(value));
    const Image image = Image::view(bytes.data(), 37, 91);
    for (const ResizeMode mode : kModes) {
      for (const int size : {1, 20, 37, 91, 400}) {
        const auto out = resize_bicubic(image, size, size, mode);
        EXPECT_TRUE(std::all_of(out.begin(), out.end(), [&](int v) { return v == value; }))
            << value << " at " << size;
      }
    }
  }
}

TEST(Resize, CopiesAPictureOfTheRightSize) {
  const Image image = golden::noise(31, 17, 5);
  for (const ResizeMode mode : kModes) {
    EXPECT_EQ(golden::crc(resize_bicubic(image, 17, 31, mode)), golden::crc(image));
  }
}

TEST(Resize, ReadsPaddedRows) {
  const std::vector<std::uint8_t> padded = golden::noise_bytes(40, 50, 3);
  const Image view = Image::view(padded.data(), 33, 50, 3 * 40);
  const Image packed = Image::copy_of(padded.data(), 33, 50, 3 * 40);
  EXPECT_EQ(packed.stride(), 3 * 33);
  for (const ResizeMode mode : kModes) {
    EXPECT_EQ(resize_bicubic(view, 24, 24, mode), resize_bicubic(packed, 24, 24, mode));
  }
}

// The longest side there may be: sums of weights over thousands of taps.
TEST(Resize, TakesExtremeShapes) {
  const std::vector<std::uint8_t> white(3 * 32768, 255);
  for (const ResizeMode mode : kModes) {
    for (const auto& [width, height] : {std::pair(32768, 1), std::pair(1, 32768)}) {
      const auto out = resize_bicubic(Image::view(white.data(), width, height), 2, 2, mode);
      EXPECT_TRUE(std::all_of(out.begin(), out.end(), [](int v) { return v == 255; }));
    }
  }
}

}  // namespace
}  // namespace instructblip
