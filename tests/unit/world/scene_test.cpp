#include "scene.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace world {
namespace {

// FNV-1a, 64 bits.
std::uint64_t hash(const std::vector<std::uint8_t>& bytes) {
  std::uint64_t value = 0xCBF29CE484222325;
  for (const std::uint8_t byte : bytes) value = (value ^ byte) * 0x100000001B3;
  return value;
}

TEST(Scene, IsThatOfItsSeedAndIndexForEver) {
  // The embedded models were trained on this world: whoever changes these numbers retrains them.
  EXPECT_EQ(hash(draw(make_scene(1, 0)).rgb), 11747394628976506758U);
  EXPECT_EQ(hash(draw(make_scene(1, 999)).rgb), 3052926674630388373U);
  EXPECT_EQ(hash(draw(make_scene(1'000'003, 77)).rgb), 12682971199422475517U);
}

TEST(Scene, KeepsTheRulesOfTheTask) {
  std::set<int> counts;
  int signs = 0;
  for (std::uint64_t i = 0; i < 500; ++i) {
    const Scene scene = make_scene(11, i);
    counts.insert(static_cast<int>(scene.objects.size()));
    std::set<int> cells;
    std::set<std::pair<int, int>> looks;
    for (const Object& object : scene.objects) {
      EXPECT_TRUE(cells.insert(object.cell).second) << i;
      EXPECT_TRUE(looks.insert({object.colour, object.shape}).second) << i;
      const int r = object.diameter / 2;
      EXPECT_TRUE(object.size == 0 ? r >= 5 && r <= 6 : r >= 9 && r <= 10) << r;
      EXPECT_GE(std::min(object.x, object.y) - r, 0) << i;
      EXPECT_LE(std::max(object.x, object.y) + r, kPicturePixels) << i;
      // The centre never leaves the cell: a place is never in doubt.
      EXPECT_EQ(object.y / kCellPixels * kCellsAcross + object.x / kCellPixels, object.cell) << i;
    }
    EXPECT_TRUE(std::ranges::is_sorted(scene.objects, {}, &Object::cell)) << i;
    if (!scene.sign) continue;
    ++signs;
    EXPECT_TRUE(cells.insert(scene.sign->cell).second) << i;
    EXPECT_GE(std::min(scene.sign->x, scene.sign->y), 0) << i;
    EXPECT_LE(scene.sign->x + kSignWidth, kPicturePixels) << i;
    EXPECT_LE(scene.sign->y + kSignHeight, kPicturePixels) << i;
  }
  EXPECT_EQ(counts, (std::set<int>{1, 2, 3, 4}));
  EXPECT_NEAR(signs, 350, 50);
}

TEST(CrowdedScene, IsThatOfItsSeedAndIndexForEver) {
  EXPECT_EQ(hash(draw(make_crowded_scene(1, 0)).rgb), 1971094091070027085U);
  EXPECT_EQ(hash(draw(make_crowded_scene(1'000'003, 77)).rgb), 18195927576536451202U);
}

TEST(CrowdedScene, KeepsTheRulesOfTheTask) {
  std::set<int> counts, colours, shapes, sizes;
  for (std::uint64_t i = 0; i < 500; ++i) {
    const Scene scene = make_crowded_scene(11, i);
    counts.insert(static_cast<int>(scene.objects.size()));
    EXPECT_FALSE(scene.sign) << i;
    std::set<int> cells;
    std::set<std::pair<int, int>> looks;
    for (const Object& object : scene.objects) {
      EXPECT_TRUE(cells.insert(object.cell).second) << i;
      EXPECT_TRUE(looks.insert({object.colour, object.shape}).second) << i;
      colours.insert(object.colour);
      shapes.insert(object.shape);
      sizes.insert(object.size);
    }
    EXPECT_TRUE(std::ranges::is_sorted(scene.objects, {}, &Object::cell)) << i;
  }
  EXPECT_EQ(counts, (std::set<int>{6, 7, 8, 9}));
  EXPECT_EQ(colours.size(), kColours.size());
  EXPECT_EQ(shapes.size(), kShapes.size());
  EXPECT_EQ(sizes.size(), kSizes.size());
}

TEST(CrowdedScene, KeepsEveryObjectInItsCell) {
  for (std::uint64_t i = 0; i < 100; ++i) {
    const Scene scene = make_crowded_scene(12, i);
    const Picture picture = draw(scene);
    std::set<int> seen;
    for (int y = 0; y < kPicturePixels; ++y) {
      for (int x = 0; x < kPicturePixels; ++x) {
        const int owner = picture.owners[static_cast<std::size_t>(y * kPicturePixels + x)];
        if (owner < 0) continue;
        seen.insert(owner);
        ASSERT_EQ(scene.objects[static_cast<std::size_t>(owner)].cell,
                  y / kCellPixels * kCellsAcross + x / kCellPixels)
            << "scene " << i << ", object " << owner;
      }
    }
    EXPECT_EQ(seen.size(), scene.objects.size()) << i;
  }
}

TEST(Picture, LeavesEnoughOfEveryObjectInSight) {
  for (std::uint64_t i = 0; i < 300; ++i) {
    const Scene scene = make_scene(12, i);
    const Picture picture = draw(scene);
    ASSERT_EQ(picture.rgb.size(), 3U * kPicturePixels * kPicturePixels);
    for (int k = 0; k < static_cast<int>(scene.objects.size()); ++k) {
      EXPECT_GE(std::ranges::count(picture.owners, k), 20) << "scene " << i << ", object " << k;
    }
  }
}

TEST(Picture, PaintsTheShadeOfAnObjectAtItsCentre) {
  int seen = 0;
  for (std::uint64_t i = 0; i < 100; ++i) {
    const Scene scene = make_scene(13, i);
    const Picture picture = draw(scene);
    for (std::size_t k = 0; k < scene.objects.size(); ++k) {
      const Object& object = scene.objects[k];
      const auto at = static_cast<std::size_t>(object.y * kPicturePixels + object.x);
      if (kShapes[static_cast<std::size_t>(object.shape)] == "ring") continue;  // hollow
      if (picture.owners[at] != static_cast<int>(k)) continue;                  // occluded
      ++seen;
      for (std::size_t channel = 0; channel < 3; ++channel) {
        EXPECT_NEAR(picture.rgb[3 * at + channel], object.shade[channel], 6) << i;
      }
    }
  }
  EXPECT_GT(seen, 150);
}

}  // namespace
}  // namespace world
