// The largest values of a row, which decoding picks itself.
#include "decoding/top_k.h"

#include <gtest/gtest.h>

#include <limits>
#include <set>

#include "kernels/numbers.h"
#include "support/operations.h"

namespace instructblip::kernels {
namespace {

// Few different values, so that many are equal.
std::vector<float> with_ties(std::int64_t size, std::uint32_t seed) {
  std::vector<float> values = numbers(size, seed);
  for (float& value : values) value = std::round(value * 4.0f);
  if (size > 2) values[1] = -std::numeric_limits<float>::infinity();
  return values;
}

class TopK : public testing::TestWithParam<std::int64_t> {};

TEST_P(TopK, ValuesAreTheLargestAndIndicesTheirOwn) {
  const std::int64_t size = GetParam();
  for (const auto& values : {numbers(size, 1), with_ties(size, 2)}) {
    for (const std::int64_t count : {std::int64_t{0}, std::int64_t{1}, size / 64, size / 3, size}) {
      if (count > size) continue;
      const auto want = test::top_k(values, count);
      const auto got = top_k(values, static_cast<std::size_t>(count));
      ASSERT_EQ(got.size(), want.size());
      std::set<std::int64_t> indices;
      for (std::size_t i = 0; i < want.size(); ++i) {
        EXPECT_EQ(got[i].value, values[static_cast<std::size_t>(want[i])]) << i;
        EXPECT_EQ(got[i].value, values[static_cast<std::size_t>(got[i].index)]) << i;
        indices.insert(got[i].index);
      }
      EXPECT_EQ(indices.size(), want.size());
    }
  }
}

TEST_P(TopK, BestOfTakesTheLowestIndexOfEquals) {
  const std::int64_t size = GetParam();
  for (const auto& values : {numbers(size, 3), with_ties(size, 4)}) {
    for (const std::int64_t count : {std::int64_t{1}, size / 64, size / 3, size}) {
      const auto want = test::top_k(values, std::min(count, size));
      const auto got = best_of(values, static_cast<std::size_t>(count), {});
      ASSERT_EQ(got.size(), want.size());
      for (std::size_t i = 0; i < want.size(); ++i) EXPECT_EQ(got[i].index, want[i]) << i;
    }
  }
}

TEST_P(TopK, TheLargestIsTheFirst) {
  for (const auto& values : {numbers(GetParam(), 5), with_ties(GetParam(), 6)}) {
    const auto first = static_cast<std::size_t>(test::top_k(values, 1).front());
    EXPECT_EQ(arg_max(values), first);
    EXPECT_EQ(max_value(values), values[first]);
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, TopK,
                         testing::Values(1, 2, 3, 7, 15, 16, 17, 31, 33, 63, 64, 65, 127, 257,
                                         4099));

}  // namespace
}  // namespace instructblip::kernels
