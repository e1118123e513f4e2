#include "kernels/cuda/paged_attention.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <span>
#include <vector>

#include "emulator/attention_error.h"
#include "emulator/half_numbers.h"
#include "emulator/running.h"

namespace instructblip::kernels::cuda {
namespace {

using emulator::half_numbers;
using emulator::kUntouched;

struct Sizes {
  std::int32_t rows, query_heads, key_heads, width;
  std::vector<std::int32_t> shared, tail;  // one for each request
  bool own_lengths;                        // rows see fewer and fewer of the shared positions
  std::int32_t max_distance;               // -1: no bias
};

void PrintTo(const Sizes& s, std::ostream* out) {
  *out << s.rows << " rows, " << s.query_heads << "/" << s.key_heads << " x " << s.width;
  for (std::size_t i = 0; i < s.shared.size(); ++i) *out << ", " << s.shared[i] << "+" << s.tail[i];
}

constexpr std::int32_t kPagePositions = 7;

template <class T>
struct Data {
  Sizes sizes;
  PagedAttentionProblem problem;
  std::vector<std::vector<T>> key_pages, value_pages;
  std::vector<const void*> pages_of_keys, pages_of_values;
  std::vector<T> queries, out;
  std::vector<std::int32_t> lengths, shared_slots, tail_slots, shared_lengths;
  std::vector<float> bias, workspace;
  std::vector<unsigned> counters;

  explicit Data(const Sizes& s) : sizes(s) {
    const auto requests = static_cast<std::int32_t>(s.shared.size());
    problem = {.element = std::is_same_v<T, dev::Half> ? Element::f16 : Element::bf16,
               .requests = requests,
               .rows = s.rows,
               .query_heads = s.query_heads,
               .key_heads = s.key_heads,
               .width = s.width,
               .max_shared = *std::ranges::max_element(s.shared) + 3,
               .max_tail = *std::ranges::max_element(s.tail),
               .page_positions = kPagePositions,
               .divisor = s.max_distance < 0 ? std::sqrt(static_cast<float>(s.width)) : 1.0f,
               .max_distance = std::max(s.max_distance, 0)};
    make_slots();
    queries = half_numbers<T>(rows() * s.query_heads * s.width, 1);
    out.assign(queries.size(), T{kUntouched});
    if (s.max_distance >= 0) bias = numbers(s.query_heads * (2 * s.max_distance + 1), 2);
    workspace.assign(paged_attention_workspace(problem), std::numeric_limits<float>::quiet_NaN());
    counters.assign(static_cast<std::size_t>(requests * s.key_heads), 0);
  }

  std::int32_t rows() const { return problem.requests * sizes.rows; }

  void make_slots() {
    const std::int32_t slots = problem.requests * problem.max_shared + rows() * problem.max_tail;
    const std::int32_t pages = slots / kPagePositions + 1;
    for (std::int32_t i = 0; i < pages; ++i) {
      const std::int64_t size = problem.key_heads * kPagePositions * problem.width;
      key_pages.push_back(half_numbers<T>(size, 10 + static_cast<std::uint32_t>(i)));
      value_pages.push_back(half_numbers<T>(size, 5000 + static_cast<std::uint32_t>(i)));
      pages_of_keys.push_back(key_pages.back().data());
      pages_of_values.push_back(value_pages.back().data());
    }
    std::vector<std::int32_t> all(static_cast<std::size_t>(slots));
    std::iota(all.begin(), all.end(), 0);
    std::shuffle(all.begin(), all.end(), std::minstd_rand(3));
    for (std::size_t r = 0; r < sizes.shared.size(); ++r) {
      lengths.insert(lengths.end(), {sizes.shared[r], sizes.tail[r]});
      for (std::int32_t i = 0; i < problem.max_shared; ++i) {  // what is not used is no slot
        shared_slots.push_back(i < sizes.shared[r] ? take(all) : std::numeric_limits<int>::max());
      }
      for (std::int32_t row = 0; row < sizes.rows; ++row) {
        if (sizes.own_lengths) shared_lengths.push_back(std::max(1, sizes.shared[r] - 9 * row));
        for (std::int32_t i = 0; i < problem.max_tail; ++i) {
          tail_slots.push_back(i < sizes.tail[r] ? take(all) : std::numeric_limits<int>::max());
        }
      }
    }
  }
  static std::int32_t take(std::vector<std::int32_t>& all) {
    const std::int32_t last = all.back();
    all.pop_back();
    return last;
  }

  PagedAttentionBuffers buffers() {
    return {.queries = queries.data(),
            .pages_of_keys = pages_of_keys.data(),
            .pages_of_values = pages_of_values.data(),
            .lengths = lengths.data(),
            .shared_slots = shared_slots.data(),
            .shared_lengths = shared_lengths.empty() ? nullptr : shared_lengths.data(),
            .tail_slots = tail_slots.data(),
            .bias = bias.empty() ? nullptr : bias.data(),
            .out = out.data(),
            .workspace = workspace.data(),
            .counters = counters.data()};
  }

  std::vector<std::int32_t> slots_of(std::int32_t row) const {
    const auto request = static_cast<std::size_t>(row / sizes.rows);
    const auto at = static_cast<std::size_t>(row);
    const std::int32_t shared = sizes.own_lengths ? shared_lengths[at] : sizes.shared[request];
    const auto first =
        shared_slots.begin() + static_cast<std::ptrdiff_t>(request) * problem.max_shared;
    std::vector<std::int32_t> slots(first, first + shared);
    const auto own = tail_slots.begin() + static_cast<std::ptrdiff_t>(row) * problem.max_tail;
    slots.insert(slots.end(), own, own + sizes.tail[request]);
    return slots;
  }

  std::vector<float> in_slot(const std::vector<std::vector<T>>& pages, std::int32_t slot,
                             std::int32_t head) const {
    const auto first =
        static_cast<std::size_t>((head * kPagePositions + slot % kPagePositions) * problem.width);
    const std::vector<T>& page = pages[static_cast<std::size_t>(slot / kPagePositions)];
    std::vector<float> wide;
    for (std::size_t i = 0; i < static_cast<std::size_t>(problem.width); ++i) {
      wide.push_back(dev::widen(page[first + i]));
    }
    return wide;
  }
};

template <class T>
void expect_row(const Data<T>& d, std::int32_t row, std::int32_t head) {
  const PagedAttentionProblem& p = d.problem;
  const auto at = static_cast<std::size_t>((row * p.query_heads + head) * p.width);
  std::vector<float> query;
  std::vector<std::vector<float>> keys, values;
  for (std::int32_t i = 0; i < p.width; ++i) {
    query.push_back(dev::widen(d.queries[at + static_cast<std::size_t>(i)]));
  }
  test::AttentionInput seen{
      .query = query, .keys = {}, .values = {}, .bias = {}, .divisor = p.divisor};
  const std::vector<std::int32_t> slots = d.slots_of(row);
  const auto count = static_cast<std::int32_t>(slots.size());
  for (std::int32_t j = 0; j < count; ++j) {
    const std::int32_t key_head = head / (p.query_heads / p.key_heads);
    keys.push_back(d.in_slot(d.key_pages, slots[static_cast<std::size_t>(j)], key_head));
    values.push_back(d.in_slot(d.value_pages, slots[static_cast<std::size_t>(j)], key_head));
    if (d.bias.empty()) continue;
    const std::int32_t distance = std::max(j - (count - 1), -p.max_distance);
    seen.bias.push_back(d.bias[static_cast<std::size_t>(head * (2 * p.max_distance + 1) + distance +
                                                        p.max_distance)]);
  }
  for (const auto& key : keys) seen.keys.push_back(key.data());
  for (const auto& value : values) seen.values.push_back(value.data());
  const std::vector<double> want = test::attention(seen);
  const std::vector<double> error = emulator::attention_error<T>(seen, want);
  for (std::size_t i = 0; i < want.size(); ++i) {
    ASSERT_NEAR(dev::widen(d.out[at + i]), want[i], error[i])
        << testing::PrintToString(d.sizes) << ": row " << row << ", head " << head << ", " << i;
  }
}

template <class T>
void expect_right(const Sizes& sizes) {
  Data<T> d(sizes);
  ASSERT_EQ(paged_attention_refuses(d.problem), nullptr);
  emulator::run_in_every_order(
      d.out, [&] { EXPECT_EQ(attend_pages(d.problem, d.buffers(), nullptr, true), 0); });
  for (const unsigned counter : d.counters) EXPECT_EQ(counter, 0U);
  for (std::int32_t row = 0; row < d.rows(); ++row) {
    for (std::int32_t head = 0; head < sizes.query_heads; ++head) expect_row(d, row, head);
  }
}

class CudaPagedAttentionTest : public testing::TestWithParam<Sizes> {};

TEST_P(CudaPagedAttentionTest, AgreesWithDoublePrecision) {
  expect_right<dev::Half>(GetParam());
  expect_right<dev::Bfloat>(GetParam());
}

INSTANTIATE_TEST_SUITE_P(
    Sizes, CudaPagedAttentionTest,
    testing::Values(Sizes{1, 1, 1, 8, {1}, {0}, false, -1},     //
                    Sizes{5, 2, 2, 128, {70}, {3}, false, -1},  // LLaMA, a beam
                    Sizes{5, 2, 2, 80, {33}, {20}, false, -1},  // OPT
                    Sizes{
                        3, 4, 2, 64, {5, 130}, {66, 1}, false, -1},  // two requests, grouped heads
                    Sizes{18, 1, 1, 64, {17}, {2}, false, -1},       // more rows than a tile has
                    Sizes{2, 20, 1, 16, {3}, {70}, false, -1},       // more heads than a tile has
                    Sizes{5, 2, 2, 64, {0}, {24}, false, 9},         // T5's decoder
                    Sizes{4, 2, 2, 64, {1}, {30}, false, 100},       //
                    Sizes{5, 2, 2, 64, {65}, {0}, false, -1},        // its cross-attention
                    Sizes{6, 2, 2, 88, {40}, {0}, true, -1}));  // new positions of one sequence

TEST(CudaPagedAttentionTest, ReadsMatricesWithoutBankConflicts) {
  for (const std::int32_t width : {64, 80, 88, 128}) {
    Data<dev::Half> d({5, 1, 1, width, {64}, {3}, false, -1});
    EXPECT_EQ(attend_pages(d.problem, d.buffers(), nullptr, false), 0);
    EXPECT_EQ(emulator::run_queue({}).bank_conflicts, 0) << width;
  }
}

TEST(CudaPagedAttentionTest, RefusesWhatItCannotDo) {
  Data<dev::Half> d({1, 2, 2, 16, {4}, {0}, false, -1});
  d.problem.width = 136;
  EXPECT_STREQ(paged_attention_refuses(d.problem), "heads are 8 to 128 wide, in steps of 8");
  d.problem.width = 16;
  d.problem.max_shared = 0;
  EXPECT_STREQ(paged_attention_refuses(d.problem), "a row sees at least one position");
}

}  // namespace
}  // namespace instructblip::kernels::cuda
