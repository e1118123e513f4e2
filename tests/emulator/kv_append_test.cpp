#include "kernels/cuda/kv_append.h"

#include <cmath>
#include <cstring>
#include <vector>

#include "emulator/half_numbers.h"
#include "emulator/running.h"
#include "support/operations.h"

namespace instructblip::kernels::cuda {
namespace {

using emulator::half_numbers;
using emulator::kRoundingOf;
using emulator::kUntouched;

constexpr std::int32_t kPagePositions = 3;
constexpr double kTheta = 10000.0;

template <class T>
struct Data {
  KvAppendProblem problem;
  std::vector<std::int32_t> slots;
  std::vector<T> heads, keys, values;  // two pages each, one after the other
  std::vector<T> queries, keys_beside;
  std::vector<void*> pages_of_keys, pages_of_values;
  std::vector<float> cosines, sines;

  Data(std::int32_t width, std::vector<std::int32_t> to) : slots(std::move(to)) {
    problem = {.element = std::is_same_v<T, dev::Half> ? Element::f16 : Element::bf16,
               .positions = static_cast<std::int32_t>(slots.size()),
               .query_heads = 4,
               .key_heads = 2,
               .width = width,
               .page_positions = kPagePositions};
    heads = half_numbers<T>(problem.positions * 8 * width, 1);
    queries.assign(static_cast<std::size_t>(problem.positions * 4 * width), T{kUntouched});
    keys_beside.assign(static_cast<std::size_t>(problem.positions * 2 * width), T{kUntouched});
    keys.assign(static_cast<std::size_t>(2 * page()), T{kUntouched});
    values = keys;
    for (std::int64_t i = 0; i < 2; ++i) {
      pages_of_keys.push_back(keys.data() + i * page());
      pages_of_values.push_back(values.data() + i * page());
    }
    for (std::int32_t i = 0; i < problem.positions; ++i) {
      for (std::int32_t j = 0; j < width / 2; ++j) {
        const double angle = position(i) * std::pow(kTheta, -2.0 * j / width);
        cosines.push_back(static_cast<float>(std::cos(angle)));
        sines.push_back(static_cast<float>(std::sin(angle)));
      }
    }
  }

  static int position(std::int32_t i) { return 3 + 2 * i; }
  std::int64_t page() const { return std::int64_t{2} * kPagePositions * problem.width; }

  void run(bool turned) {
    const KvAppendBuffers buffers{.heads = heads.data(),
                                  .cosines = turned ? cosines.data() : nullptr,
                                  .sines = turned ? sines.data() : nullptr,
                                  .slots = slots.data(),
                                  .pages_of_keys = pages_of_keys.data(),
                                  .pages_of_values = pages_of_values.data(),
                                  .queries = queries.data(),
                                  .keys = keys_beside.data()};
    emulator::run_in_every_order(
        queries, [&] { EXPECT_EQ(append_keys_and_values(problem, buffers, nullptr, true), 0); });
  }

  // What has been written for head `head` of position i, numbered as they lie.
  const T* written(std::int32_t i, std::int32_t head) const {
    if (head < 4) return queries.data() + (i * 4 + head) * problem.width;
    const std::int32_t slot = slots[static_cast<std::size_t>(i)];
    const auto at = slot / kPagePositions * page() +
                    ((head - 4) % 2 * kPagePositions + slot % kPagePositions) * problem.width;
    return (head < 6 ? keys : values).data() + at;
  }
};

template <class T>
void expect_right(std::int32_t width, bool turned) {
  Data<T> d(width, {4, 0, 5});
  ASSERT_EQ(kv_append_refuses(d.problem, turned), nullptr);
  d.run(turned);
  for (std::int32_t i = 0; i < 3; ++i) {
    for (std::int32_t head = turned ? 0 : 4; head < 8; ++head) {
      std::vector<float> x;
      for (std::int32_t j = 0; j < width; ++j) {
        x.push_back(dev::widen(d.heads[static_cast<std::size_t>((i * 8 + head) * width + j)]));
      }
      std::vector<double> want(x.begin(), x.end());
      if (turned && head < 6) want = test::rotary(x, d.position(i), kTheta);
      for (std::int32_t j = 0; j < width; ++j) {
        const auto at = static_cast<std::size_t>(j);
        const double error = turned && head < 6 ? kRoundingOf<T> * std::abs(want[at]) + 2e-6 : 0.0;
        ASSERT_NEAR(dev::widen(d.written(i, head)[j]), want[at], error) << i << ", " << head;
      }
    }
  }
  std::int64_t untouched = 0;  // three of six slots have been filled
  for (const T value : d.keys) untouched += value.bits == kUntouched ? 1 : 0;
  EXPECT_EQ(untouched, d.page());
  for (std::int32_t i = 0; turned && i < 3; ++i) {
    for (std::int32_t head = 0; head < 2; ++head) {  // once more
      const T* const beside = d.keys_beside.data() + (i * 2 + head) * width;
      ASSERT_EQ(
          std::memcmp(beside, d.written(i, 4 + head), sizeof(T) * static_cast<std::size_t>(width)),
          0);
    }
  }
  if (!turned) {
    for (const T value : d.queries) ASSERT_EQ(value.bits, kUntouched);
    for (const T value : d.keys_beside) ASSERT_EQ(value.bits, kUntouched);
  }
}

TEST(CudaKvAppendTest, CopiesToSlots) {
  expect_right<dev::Half>(80, false);
  expect_right<dev::Bfloat>(8, false);
}

TEST(CudaKvAppendTest, TurnsQueriesAndKeysByTheirPositions) {
  expect_right<dev::Half>(128, true);
  expect_right<dev::Bfloat>(128, true);
  expect_right<dev::Half>(16, true);
}

TEST(CudaKvAppendTest, RefusesWhatItCannotDo) {
  Data<dev::Half> d(24, {0});
  EXPECT_EQ(kv_append_refuses(d.problem, false), nullptr);
  EXPECT_STREQ(kv_append_refuses(d.problem, true),
               "heads that are turned are as wide as a multiple of 16");
}

}  // namespace
}  // namespace instructblip::kernels::cuda
