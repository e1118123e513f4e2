#include "kernels/cuda/embedding.h"

#include <gtest/gtest.h>

#include <type_traits>
#include <vector>

#include "emulator/half_numbers.h"
#include "emulator/running.h"

namespace instructblip::kernels::cuda {
namespace {

using emulator::half_numbers;

template <class T>
void expect_rows(std::int32_t width, bool positioned, bool with_features) {
  constexpr std::int32_t kRows = 4, kVocabulary = 9, kPositions = 12, kOffset = 2;
  const std::vector<T> words = half_numbers<T>(kVocabulary * width, 1);
  const std::vector<T> places = half_numbers<T>(std::int64_t{kPositions + kOffset} * width, 2);
  const std::vector<T> features = half_numbers<T>(3 * width, 3);
  const std::vector<std::int32_t> ids = {8, 0, 3, 3}, positions = {0, 7, 11, 2};
  const std::vector<std::int32_t> feature_of = {-1, 2, -1, 0};
  EmbeddingProblem problem;
  problem.element = std::is_same_v<T, dev::Half> ? Element::f16 : Element::bf16;
  problem.rows = kRows;
  problem.width = width;
  problem.position_offset = kOffset;
  std::vector<T> y(static_cast<std::size_t>(kRows * width));
  EmbeddingBuffers buffers{words.data(), ids.data(), y.data()};
  if (positioned) {
    buffers.positions = positions.data();
    buffers.position_words = places.data();
  }
  if (with_features) {
    buffers.features = features.data();
    buffers.feature_of = feature_of.data();
  }
  ASSERT_EQ(embedding_refuses(problem, buffers), nullptr);
  emulator::run_in_every_order(y, [&] { EXPECT_EQ(embed(problem, buffers, nullptr, true), 0); });
  for (std::int32_t i = 0; i < kRows * width; ++i) {
    const auto row = static_cast<std::size_t>(i / width);
    const std::int32_t column = i % width;
    const bool feature = with_features && feature_of[row] >= 0;
    T want = feature ? features[static_cast<std::size_t>(feature_of[row] * width + column)]
                     : words[static_cast<std::size_t>(ids[row] * width + column)];
    if (positioned) {
      const auto at = static_cast<std::size_t>((positions[row] + kOffset) * width + column);
      want = dev::narrow<T>(dev::widen(want) + dev::widen(places[at]));
    }
    ASSERT_EQ(y[static_cast<std::size_t>(i)].bits, want.bits) << width << ": " << i;
  }
}

TEST(CudaEmbeddingTest, GathersRows) {
  expect_rows<dev::Half>(8, false, false);
  expect_rows<dev::Half>(1032, true, true);
  expect_rows<dev::Bfloat>(2048, false, true);
  expect_rows<dev::Bfloat>(88, true, false);
}

TEST(CudaEmbeddingTest, GathersTheAnglesOfPositions) {
  const std::vector<dev::Half> words = half_numbers<dev::Half>(16, 1);
  const std::vector<float> cosines = numbers(5 * 150, 2), sines = numbers(5 * 150, 3);
  const std::vector<std::int32_t> ids = {1, 0}, positions = {4, 1};
  std::vector<dev::Half> y(16);
  std::vector<float> angles(4 * 150);
  EmbeddingBuffers buffers{words.data(), ids.data(), y.data(), positions.data()};
  buffers.cosines = cosines.data();
  buffers.sines = sines.data();
  buffers.cosines_of_rows = angles.data();
  buffers.sines_of_rows = angles.data() + 2 * 150;
  const EmbeddingProblem problem{.element = Element::f16, .rows = 2, .width = 8, .half_head = 150};
  emulator::run_in_every_order(angles,
                               [&] { EXPECT_EQ(embed(problem, buffers, nullptr, true), 0); });
  for (std::size_t i = 0; i < 300; ++i) {
    const std::size_t at = static_cast<std::size_t>(positions[i / 150]) * 150 + i % 150;
    ASSERT_EQ(angles[i], cosines[at]);
    ASSERT_EQ(angles[300 + i], sines[at]);
  }
}

TEST(CudaEmbeddingTest, RefusesWhatItCannotDo) {
  EXPECT_STREQ(embedding_refuses({.rows = 1, .width = 12}, {}),
               "rows are as wide as a multiple of 8");
  const float cosine = 1.0f;
  EmbeddingBuffers buffers{};
  buffers.cosines = &cosine;
  EXPECT_STREQ(embedding_refuses({.rows = 1, .width = 8}, buffers),
               "tables of positions are read where there are positions");
}

}  // namespace
}  // namespace instructblip::kernels::cuda
