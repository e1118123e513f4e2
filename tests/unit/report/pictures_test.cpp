// Heat maps, and the PNGs that they are written as.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "instructblip/explain.h"
#include "support/expect_error.h"
#include "support/temp_directory.h"

namespace instructblip {
namespace {

using namespace test;  // NOLINT: support

Image grey(int width, int height) {
  return Image::adopt(std::vector<std::uint8_t>(static_cast<std::size_t>(3 * width * height), 128),
                      width, height);
}

bool same(const Image& a, const Image& b) {
  if (a.width() != b.width() || a.height() != b.height()) return false;
  for (int y = 0; y < a.height(); ++y) {
    if (!std::equal(a.row(y), a.row(y) + 3 * a.width(), b.row(y))) return false;
  }
  return true;
}

TEST(Png, IsReadBackAsItWas) {
  std::vector<std::uint8_t> rgb;
  for (int i = 0; i < 3 * 17 * 5; ++i) rgb.push_back(static_cast<std::uint8_t>(i * 37));
  const Image image = Image::copy_of(rgb.data(), 16, 5, 3 * 17);  // with padding
  const TempDirectory directory;
  const auto file = directory.path() / "map.png";
  save_png(image, file);
  EXPECT_TRUE(same(Image::open(file), image));
  expect_error(ErrorCode::io, "", [&] { save_png(image, directory.path() / "none" / "map.png"); });
  expect_error(ErrorCode::invalid_argument, "the picture is empty",
               [&] { save_png(Image(), file); });
}

// The warmest cell is red, the coldest blue, and each lies where its patch is.
TEST(HeatMap, LiesOverItsPatches) {
  const Image map = heat_map(grey(40, 20), std::vector<float>{0, 0, 0, 1}, 2, 2);
  ASSERT_EQ(map.width(), 40);
  const std::uint8_t* const warm = map.row(19) + 3 * 39;
  const std::uint8_t* const cold = map.row(0);
  EXPECT_GT(warm[0], warm[2]);
  EXPECT_GE(cold[2], cold[0] - 5);
  EXPECT_GT(warm[0], cold[0]);
}

TEST(HeatMap, LeavesWhatWasNotSeen) {
  const Image picture = grey(40, 20);
  const Image map = heat_map(picture, std::vector<float>{1}, 1, 1, {10, 0, 20, 20});
  for (const int x : {0, 9, 30, 39}) EXPECT_EQ(map.row(5)[3 * x], 128) << x;
  for (const int x : {10, 29}) EXPECT_NE(map.row(5)[3 * x], 128) << x;
}

TEST(HeatMap, NothingToShowChangesNothing) {
  const Image picture = grey(8, 8);
  EXPECT_TRUE(same(heat_map(picture, std::vector<float>(4), 2, 2), picture));
}

TEST(HeatMap, BadWeightsAreNamed) {
  const Image picture = grey(8, 8);
  expect_error(ErrorCode::invalid_argument, "expected weights [rows, columns], got 3 for 2 x 2",
               [&] { heat_map(picture, std::vector<float>(3), 2, 2); });
  expect_error(ErrorCode::invalid_argument, "expected weights of at least 0", [&] {
    heat_map(picture, std::vector<float>{1, -1}, 1, 2);
  });
  expect_error(ErrorCode::invalid_argument, "expected weights of at least 0", [&] {
    heat_map(picture, std::vector<float>{1, std::numeric_limits<float>::quiet_NaN()}, 1, 2);
  });
  expect_error(ErrorCode::invalid_argument, "the picture is empty",
               [&] { heat_map(Image(), std::vector<float>(1), 1, 1); });
}

}  // namespace
}  // namespace instructblip
