#include "kernels/kv_append.h"

#include <gtest/gtest.h>

#include <ostream>

#include "kernels/numbers.h"

namespace instructblip::kernels {

void PrintTo(const KvAppendKernel& kernel, std::ostream* out) { *out << kernel.name; }

namespace {

class KvAppend : public testing::TestWithParam<KvAppendKernel> {};

TEST_P(KvAppend, PutsEachPositionIntoItsSlotAndNothingElsewhere) {
  ScatteringQueue queue;
  const std::vector<std::int32_t> slots = {7, 0, 5, 4, 11};  // in 4 pages of 3 positions
  for (const std::int64_t width : {1, 7, 16, 33}) {
    const KvAppendProblem problem{
        .positions = 5, .key_heads = 2, .width = width, .page_positions = 3};
    const std::vector<float> keys = numbers(5 * 2 * width, 1), values = numbers(5 * 2 * width, 2);
    std::vector<std::vector<float>> pages(
        8, std::vector<float>(static_cast<std::size_t>(2 * 3 * width), 99.0f));
    std::vector<float*> of_keys, of_values;
    for (int page = 0; page < 4; ++page) {
      of_keys.push_back(pages[static_cast<std::size_t>(page)].data());
      of_values.push_back(pages[static_cast<std::size_t>(page + 4)].data());
    }
    std::vector<std::vector<float>> want = pages;
    for (std::size_t i = 0; i < slots.size(); ++i) {
      const auto page = static_cast<std::size_t>(slots[i] / 3);
      for (std::int64_t head = 0; head < 2; ++head) {
        for (std::int64_t e = 0; e < width; ++e) {
          const auto from =
              (i * 2 + static_cast<std::size_t>(head)) * static_cast<std::size_t>(width) +
              static_cast<std::size_t>(e);
          const auto to = static_cast<std::size_t>((head * 3 + slots[i] % 3) * width + e);
          want[page][to] = keys[from];
          want[page + 4][to] = values[from];
        }
      }
    }
    GetParam().run(problem,
                   {keys.data(), values.data(), slots.data(), of_keys.data(), of_values.data()},
                   queue);
    EXPECT_EQ(pages, want) << width;
  }
}

INSTANTIATE_TEST_SUITE_P(Kernels, KvAppend, testing::ValuesIn(kv_append_kernels()), NameOfKernel());

}  // namespace
}  // namespace instructblip::kernels
