#include "core/pages.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <new>

namespace instructblip {
namespace {

class PagesTest : public testing::TestWithParam<PageSize> {};

TEST_P(PagesTest, AreZerosThatCanBeWritten) {
  const Pages pages((std::size_t{5} << 20) + 13, GetParam());
  ASSERT_EQ(pages.bytes().size(), (std::size_t{5} << 20) + 13);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(pages.bytes().data()) % (2 << 20), 0u);
  EXPECT_TRUE(std::ranges::all_of(pages.bytes(), [](std::byte b) { return b == std::byte{0}; }));
  std::ranges::fill(pages.bytes(), std::byte{7});
  EXPECT_EQ(pages.bytes().back(), std::byte{7});
}

TEST_P(PagesTest, BeyondAllMemoryAreBadAlloc) {
  EXPECT_THROW(Pages(SIZE_MAX - 5, GetParam()), std::bad_alloc);
  EXPECT_THROW(Pages(SIZE_MAX / 4, GetParam()), std::bad_alloc);
}

INSTANTIATE_TEST_SUITE_P(Sizes, PagesTest, testing::Values(PageSize::ordinary, PageSize::huge));

TEST(Pages, OfOrdinarySizeAreNotHuge) {
  const Pages pages(std::size_t{8} << 20, PageSize::ordinary);
  std::ranges::fill(pages.bytes(), std::byte{1});
  EXPECT_LE(pages.huge_bytes(), 0);
}

}  // namespace
}  // namespace instructblip
