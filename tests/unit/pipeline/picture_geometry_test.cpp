#include "pipeline/picture_geometry.h"

#include <gtest/gtest.h>

namespace instructblip {
namespace {

TEST(PictureGeometry, CountsPatchesOfThePictureThatTheEncoderIsGiven) {
  ModelConfig config;
  config.vision = VitConfig{.hidden = 24, .image_size = 28, .patch_size = 14};
  const PictureGeometry plain(config, {28, 28, false});
  EXPECT_EQ(plain.positions(), 2 * 2 + 1);
  EXPECT_EQ(plain.width(), 24);
  EXPECT_EQ(PictureGeometry(config, {42, 70, true}).positions(), 3 * 5 + 1);
  config.vision =
      ClipVisionConfig{.hidden = 24, .image_size = 28, .patch_size = 14, .feature_layers = {1, 2}};
  const PictureGeometry clip(config, {28, 28, false});
  EXPECT_EQ(clip.positions(), 2 * 2) << "the class row is dropped";
  EXPECT_EQ(clip.width(), 48);
  std::get<ClipVisionConfig>(config.vision).class_row = true;
  EXPECT_EQ(PictureGeometry(config, {28, 28, false}).positions(), 2 * 2 + 1);
}

TEST(PictureGeometry, APictureTakesItsQueriesOrItsPositions) {
  ModelConfig config;
  config.vision = VitConfig{.image_size = 28, .patch_size = 14};
  EXPECT_EQ(PictureGeometry(config, {28, 28, false}).rows_of({}), 5);
  config.qformer = QFormerConfig{.queries = 7};
  const PictureGeometry queries(config, {28, 28, false});
  EXPECT_EQ(queries.rows_of({100, 30}), 7);
  EXPECT_EQ(queries.views_of({100, 30}), 1);
}

// The first keeps 2 x 4 positions of two tiles, the second 4 x 2 of four: a quarter on each side is
// margin. A row stands behind each line.
TEST(PictureGeometry, TilesAndTheirLineEndsAreCounted) {
  ModelConfig config;
  config.vision = ClipVisionConfig{.image_size = 28, .patch_size = 14};
  config.projection = TiledProjectionConfig{{}, {{{28, 56}, {56, 56}}, 28, 2}};
  const PictureGeometry geometry(config, {28, 28, false});
  EXPECT_EQ(geometry.views_of({28, 56}), 3);
  EXPECT_EQ(geometry.views_of({80, 40}), 5);
  EXPECT_EQ(geometry.views_of({}), 0) << "the size is not known";
  EXPECT_EQ(geometry.rows_of({28, 56}), 4 + 2 * 5);
  EXPECT_EQ(geometry.rows_of({80, 40}), 4 + 4 * 3);
}

}  // namespace
}  // namespace instructblip
