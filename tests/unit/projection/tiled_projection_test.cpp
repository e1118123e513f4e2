#include "projection/tiled_projection.h"

#include <ATen/ops/allclose.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "instructblip/error.h"
#include "support/expect_error.h"
#include "support/weight_files.h"

namespace instructblip {
namespace {

constexpr std::int64_t kSide = 2;  // positions along a tile
constexpr std::int64_t kWidth = 3;
const test::NamedShapes kShapes = {{"multi_modal_projector.linear_1.weight", {kWidth, 4}},
                                   {"multi_modal_projector.linear_1.bias", {kWidth}},
                                   {"image_newline", {kWidth}}};

TiledProjection projection_of(const nn::Runtime& runtime, const test::TempDirectory& directory) {
  const TiledProjectionConfig config = {{}, {{{28, 56}, {56, 56}}, 28, kSide}};
  nn::WeightLoader loader(runtime, test::varied_store(directory, kShapes),
                          {nn::Format::f32, nn::Values::read});
  TiledProjection projection(loader.root(), config, {4, kWidth});
  loader.finish();
  return projection;
}

// A row tells its view and its place in it.
at::Tensor views(std::int64_t count) {
  return at::arange(count * kSide * kSide * kWidth)
      .to(at::kFloat)
      .view({count, kSide * kSide, kWidth});
}

TEST(TiledProjection, PutsTilesTogetherLineByLine) {
  const test::TempDirectory directory;
  const nn::Runtime runtime;
  const TiledProjection projection = projection_of(runtime, directory);
  const std::vector<float> end = test::varied_values(kWidth, 2);
  // The first keeps 2 x 4 positions of two tiles, the second 4 x 2 of four: a quarter on each side
  // is margin.
  const std::vector<PictureSize> pictures = {{28, 56}, {80, 40}};
  // Rows of the views by their number, and the end of a line.
  constexpr int kEnd = -1;
  const std::vector<int> order = {0,  1,  2,    3,                                // a whole picture
                                  4,  5,  8,    9,  kEnd, 6,    7, 10, 11, kEnd,  // its tiles 1, 2
                                  12, 13, 14,   15,                               // another
                                  17, 20, kEnd, 19, 22,   kEnd,                   // its tiles 4, 5
                                  25, 28, kEnd, 27, 30,   kEnd};                  // and 6, 7
  const at::Tensor input = views(8);
  const at::Tensor got = projection.arrange(input, pictures);
  ASSERT_EQ(got.sizes().vec(), (std::vector<std::int64_t>{1, std::ssize(order), kWidth}));
  for (std::size_t i = 0; i < order.size(); ++i) {
    for (std::int64_t k = 0; k < kWidth; ++k) {
      const float want = order[i] == kEnd ? end[static_cast<std::size_t>(k)]
                                          : static_cast<float>(order[i] * kWidth + k);
      EXPECT_EQ(got[0][static_cast<std::int64_t>(i)][k].item<float>(), want) << i << ' ' << k;
    }
  }
}

TEST(TiledProjection, RefusesFewerViewsThanThePicturesHave) {
  const test::TempDirectory directory;
  const nn::Runtime runtime;
  const TiledProjection projection = projection_of(runtime, directory);
  const std::vector<PictureSize> pictures = {{28, 56}, {80, 40}};
  test::expect_error(ErrorCode::internal, "fewer tiles",
                     [&] { projection.arrange(views(7), pictures); });
}

}  // namespace
}  // namespace instructblip
