#include "core/shape.h"

#include <gtest/gtest.h>

#include <cstdint>

#include "core/dtype.h"

namespace instructblip {
namespace {

TEST(Shape, CountsElementsAndCatchesOverflowAtEveryFactor) {
  EXPECT_EQ(checked_elements({}), 1);
  EXPECT_EQ(checked_elements({2, 3, 4}), 24);
  EXPECT_EQ(checked_elements({5, 0, 7}), 0);
  EXPECT_EQ(checked_elements({INT64_MAX}), INT64_MAX);
  EXPECT_FALSE(checked_elements({INT64_MAX, 2}));
  EXPECT_FALSE(checked_elements({1LL << 32, 1LL << 31}));
  EXPECT_FALSE(checked_elements({1LL << 32, 1LL << 32}));  // wraps to 0
  EXPECT_FALSE(checked_elements({1LL << 62, 4, 0}));       // overflows before the zero
  EXPECT_FALSE(checked_elements({-1}));
  EXPECT_FALSE(checked_elements({0, -1}));
}

TEST(Shape, Prints) {
  EXPECT_EQ(to_string(Shape{}), "[]");
  EXPECT_EQ(to_string(Shape{48, 48}), "[48, 48]");
}

TEST(DType, NamesRoundTripAndSizesHold) {
  const struct {
    const char* name;
    std::size_t bytes;
    bool weight;
  } rows[] = {{"F64", 8, true},      {"F32", 4, true},      {"F16", 2, true},  {"BF16", 2, true},
              {"I64", 8, false},     {"I32", 4, false},     {"I16", 2, false}, {"I8", 1, false},
              {"U64", 8, false},     {"U32", 4, false},     {"U16", 2, false}, {"U8", 1, false},
              {"F8_E4M3", 1, false}, {"F8_E5M2", 1, false}, {"BOOL", 1, false}};
  for (const auto& row : rows) {
    const auto dtype = dtype_from_name(row.name);
    ASSERT_TRUE(dtype) << row.name;
    EXPECT_EQ(name_of(*dtype), row.name);
    EXPECT_EQ(size_of(*dtype), row.bytes) << row.name;
    EXPECT_EQ(is_weight_dtype(*dtype), row.weight) << row.name;
  }
  for (const char* unknown : {"", "f32", "F4", "C64", "F32 "}) {
    EXPECT_FALSE(dtype_from_name(unknown)) << unknown;
  }
}

}  // namespace
}  // namespace instructblip
