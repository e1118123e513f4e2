#include "decoding/random.h"

#include <gtest/gtest.h>

#include <set>

namespace instructblip {
namespace {

using Words = std::array<std::uint32_t, 4>;

TEST(Random, PhiloxGivesThePublishedNumbers) {  // kat_vectors of Random123
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Random, UniformIsEvenAndDependsOnItsPlace) {
  const Random random(99);
  double sum = 0;
  double squares = 0;
  std::set<double> distinct;
  constexpr int kCount = 30;
  for (std::uint32_t row = 0; row < kCount; ++row) {
    for (std::uint32_t step = 0; step < kCount; ++step) {
      for (std::uint32_t draw = 0; draw < kCount; ++draw) {
        const double u = random.uniform(row, step, draw);
        ASSERT_GE(u, 0.0);
        ASSERT_LT(u, 1.0);
        sum += u;
        squares += u * u;
        distinct.insert(u);
      }
    }
  }
  constexpr double kTotal = kCount * kCount * kCount;
  EXPECT_EQ(distinct.size(), static_cast<std::size_t>(kTotal));
  EXPECT_NEAR(sum / kTotal, 0.5, 0.01);
  EXPECT_NEAR(squares / kTotal, 1.0 / 3, 0.01);
}

TEST(Random, SeedsDrawnDiffer) { EXPECT_NE(random_seed(), random_seed()); }

}  // namespace
}  // namespace instructblip
