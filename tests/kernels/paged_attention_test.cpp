#include "kernels/paged_attention.h"

#include <gtest/gtest.h>

#include <limits>
#include <numeric>
#include <ostream>
#include <span>

#include "kernels/attention_bound.h"
#include "kernels/numbers.h"

namespace instructblip::kernels {

void PrintTo(const PagedAttentionKernel& kernel, std::ostream* out) { *out << kernel.name; }

void PrintTo(const PagedAttentionProblem& p, std::ostream* out) {
  *out << p.rows << " rows, " << p.query_heads << "/" << p.key_heads << " x " << p.width << ", "
       << p.shared << " + " << p.tail << " positions";
}

namespace {

// Keys and values of every row's positions, and pages over which they are scattered.
struct Data {
  PagedAttentionProblem problem;
  std::vector<float> queries, bias;
  std::vector<std::vector<float>> key_pages, value_pages;
  std::vector<std::int32_t> shared_slots, tail_slots, shared_lengths;
  bool has_bias = false;

  explicit Data(const PagedAttentionProblem& p, std::uint32_t seed = 1) : problem(p) {
    queries = numbers(p.rows * p.query_heads * p.width, seed);
    bias = numbers(p.query_heads * (p.shared + p.tail), seed + 1);
    const std::int64_t slots = p.shared + p.rows * p.tail;
    const std::int64_t pages = (slots + p.page_positions - 1) / p.page_positions + 1;
    for (std::int64_t i = 0; i < pages; ++i) {
      const std::int64_t size = p.key_heads * p.page_positions * p.width;
      key_pages.push_back(numbers(size, seed + 10 + static_cast<std::uint32_t>(i)));
      value_pages.push_back(numbers(size, seed + 1000 + static_cast<std::uint32_t>(i)));
    }
    // Whole pages in a shuffled order, so that there are runs and jumps.
    std::vector<std::int32_t> order(static_cast<std::size_t>(pages));
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), std::minstd_rand(seed));
    for (std::int64_t i = 0; i < slots; ++i) {
      const auto slot = static_cast<std::int32_t>(
          order[static_cast<std::size_t>(i / p.page_positions)] * p.page_positions +
          i % p.page_positions);
      (i < p.shared ? shared_slots : tail_slots).push_back(slot);
    }
    if (tail_slots.size() > 2 && p.tail > 1) std::swap(tail_slots[0], tail_slots[1]);
  }

  std::vector<float> run(const PagedAttentionKernel& kernel, Queue& queue) const {
    std::vector<const float*> keys, values;
    for (const auto& page : key_pages) keys.push_back(page.data());
    for (const auto& page : value_pages) values.push_back(page.data());
    std::vector<float> out(queries.size(), std::numeric_limits<float>::quiet_NaN());
    kernel.run(problem,
               {queries.data(), keys.data(), values.data(), shared_slots.data(),
                shared_lengths.empty() ? nullptr : shared_lengths.data(), tail_slots.data(),
                has_bias ? bias.data() : nullptr, out.data()},
               queue);
    return out;
  }

  std::int64_t shared_of(std::int64_t row) const {
    return shared_lengths.empty() ? problem.shared : shared_lengths[static_cast<std::size_t>(row)];
  }
  const float* in_slot(const std::vector<std::vector<float>>& pages, std::int64_t slot,
                       std::int64_t head) const {
    const std::int64_t positions = problem.page_positions;
    return pages[static_cast<std::size_t>(slot / positions)].data() +
           (head * positions + slot % positions) * problem.width;
  }
};

// What a query sees.
test::AttentionInput seen_by(const Data& data, std::int64_t row, std::int64_t head) {
  const PagedAttentionProblem& p = data.problem;
  const std::int64_t key_head = head / (p.query_heads / p.key_heads);
  test::AttentionInput seen{
      .query = std::span(data.queries)
                   .subspan(static_cast<std::size_t>((row * p.query_heads + head) * p.width),
                            static_cast<std::size_t>(p.width)),
      .keys = {},
      .values = {},
      .bias = {},
      .divisor = p.divisor};
  const auto add = [&](std::int32_t slot, std::int64_t index) {
    seen.keys.push_back(data.in_slot(data.key_pages, slot, key_head));
    seen.values.push_back(data.in_slot(data.value_pages, slot, key_head));
    const auto at = static_cast<std::size_t>(head * (p.shared + p.tail) + index);
    if (data.has_bias) seen.bias.push_back(data.bias[at]);
  };
  for (std::int64_t j = 0; j < data.shared_of(row); ++j) {
    add(data.shared_slots[static_cast<std::size_t>(j)], j);
  }
  for (std::int64_t t = 0; t < p.tail; ++t) {
    add(data.tail_slots[static_cast<std::size_t>(row * p.tail + t)], p.shared + t);
  }
  return seen;
}

void expect_close(const Data& data, const std::vector<float>& got) {
  const PagedAttentionProblem& p = data.problem;
  for (std::int64_t row = 0; row < p.rows; ++row) {
    for (std::int64_t head = 0; head < p.query_heads; ++head) {
      const test::AttentionInput seen = seen_by(data, row, head);
      const std::vector<double> want = test::attention(seen);
      const std::vector<double> bound = attention_bound(seen);
      for (std::int64_t i = 0; i < p.width; ++i) {
        const auto at = static_cast<std::size_t>((row * p.query_heads + head) * p.width + i);
        ASSERT_NEAR(got[at], want[static_cast<std::size_t>(i)], bound[static_cast<std::size_t>(i)])
            << testing::PrintToString(p) << ": row " << row << ", head " << head << ", " << i;
      }
    }
  }
}

class PagedAttention : public testing::TestWithParam<PagedAttentionKernel> {
 protected:
  void SetUp() override {
    const Support support = GetParam().supports(
        {.rows = 1, .query_heads = 1, .key_heads = 1, .width = 1, .shared = 1}, this_machine());
    if (!support) GTEST_SKIP() << support.reason();
  }
  SerialQueue queue_;
};

TEST_P(PagedAttention, IsTheSoftmaxOfTheScoresTimesTheValues) {
  for (const std::int64_t width : {1, 2, 3, 7, 15, 16, 17, 31, 33, 63, 64, 65, 80, 127, 128, 257}) {
    for (const std::int64_t positions : {1, 3, 16, 35, 65}) {
      const Data data({.rows = 3,
                       .query_heads = 2,
                       .key_heads = 1,
                       .width = width,
                       .shared = positions - positions / 3,
                       .tail = positions / 3,
                       .page_positions = 4,
                       .divisor = std::sqrt(static_cast<float>(width))});
      expect_close(data, data.run(GetParam(), queue_));
    }
  }
}

TEST_P(PagedAttention, TakesAnyNumbersOfRowsHeadsAndPositions) {
  for (const std::int64_t rows : {0, 1, 2, 4, 5, 8, 17, 33}) {
    for (const std::int64_t group : {1, 3, 4, 7}) {
      for (const auto& [shared, tail] : {std::pair{5, 0}, {0, 5}, {33, 1}, {64, 7}, {31, 33}}) {
        Data data({.rows = rows,
                   .query_heads = 2 * group,
                   .key_heads = 2,
                   .width = 17,
                   .shared = shared,
                   .tail = tail,
                   .page_positions = 16,
                   .divisor = 4.0f});
        data.has_bias = group != 3;
        expect_close(data, data.run(GetParam(), queue_));
      }
    }
  }
}

TEST_P(PagedAttention, TakesLargeAndMaskedScores) {
  Data data({.rows = 2,
             .query_heads = 2,
             .key_heads = 2,
             .width = 64,
             .shared = 40,
             .tail = 3,
             .page_positions = 8});
  for (float& query : data.queries) query *= 16.0f;  // scores far apart: most weights are 0
  expect_close(data, data.run(GetParam(), queue_));
  data.has_bias = true;
  for (std::size_t i = 0; i < data.bias.size(); i += 2) {
    data.bias[i] = -std::numeric_limits<float>::infinity();
  }
  for (const float value : data.run(GetParam(), queue_)) EXPECT_TRUE(std::isfinite(value));
}

// Positions of a sequence that are new at once: each sees one more.
TEST_P(PagedAttention, RowsMaySeeTheFirstOfTheSharedPositions) {
  for (const std::int64_t tail : {0, 2}) {
    for (const std::int64_t group : {1, 3}) {
      Data data({.rows = 9,
                 .query_heads = 2 * group,
                 .key_heads = 2,
                 .width = 20,
                 .shared = 37,
                 .tail = tail,
                 .page_positions = 8,
                 .divisor = 4.0f});
      data.has_bias = true;
      for (std::int32_t row = 0; row < 9; ++row) data.shared_lengths.push_back(29 + row);
      const std::vector<float> all = data.run(GetParam(), queue_);
      expect_close(data, all);
      data.shared_lengths.back() = tail == 0 ? 1 : 0;
      expect_close(data, data.run(GetParam(), queue_));
      for (std::int64_t row = 1; row < 9; ++row) {  // tails in common are still behind each length
        std::copy_n(data.tail_slots.begin(), tail, data.tail_slots.begin() + row * tail);
      }
      expect_close(data, data.run(GetParam(), queue_));
    }
  }
}

TEST_P(PagedAttention, DoesNotMindHowTasksAreHandedOut) {
  ScatteringQueue scattering;
  const Data data({.rows = 19,
                   .query_heads = 6,
                   .key_heads = 3,
                   .width = 48,
                   .shared = 50,
                   .tail = 6,
                   .page_positions = 16});
  EXPECT_TRUE(same_bits(data.run(GetParam(), queue_), data.run(GetParam(), scattering)));
}

// A hypothesis has the same bits alone, beside others, with its past shared or its own, and
// appended with later positions at once.
TEST_P(PagedAttention, ARowHasItsBitsWhateverIsBesideIt) {
  if (!GetParam().traits.row_invariant) GTEST_SKIP() << "promises no such thing";
  const PagedAttentionProblem problem{.rows = 7,
                                      .query_heads = 4,
                                      .key_heads = 2,
                                      .width = 40,
                                      .shared = 21,
                                      .tail = 5,
                                      .page_positions = 4};
  const Data data(problem);
  const std::vector<float> all = data.run(GetParam(), queue_);
  const std::int64_t size = problem.query_heads * problem.width;
  for (std::int64_t row = 0; row < problem.rows; ++row) {
    const std::vector<float> want(all.begin() + row * size, all.begin() + (row + 1) * size);
    Data alone = data;
    alone.problem.rows = 1;
    alone.queries.assign(data.queries.begin() + row * size,
                         data.queries.begin() + (row + 1) * size);
    alone.tail_slots.assign(data.tail_slots.begin() + row * 5,
                            data.tail_slots.begin() + row * 5 + 5);
    EXPECT_TRUE(same_bits(alone.run(GetParam(), queue_), want)) << row;
    Data shared = alone;  // its tail is part of the shared segment
    shared.problem.shared = 26;
    shared.problem.tail = 0;
    shared.shared_slots.insert(shared.shared_slots.end(), alone.tail_slots.begin(),
                               alone.tail_slots.end());
    EXPECT_TRUE(same_bits(shared.run(GetParam(), queue_), want)) << row;
    Data first = shared;  // the beginning of a longer one
    first.problem.rows = 2;
    first.problem.shared = 27;
    first.shared_slots.push_back(0);
    first.shared_lengths = {26, 27};
    first.queries.insert(first.queries.end(), shared.queries.begin(), shared.queries.end());
    std::vector<float> two = first.run(GetParam(), queue_);
    two.resize(static_cast<std::size_t>(size));
    EXPECT_TRUE(same_bits(two, want)) << row;
  }
}

// Hypotheses that came from one another: their tails begin with the same slots.
TEST_P(PagedAttention, TailsMayBeginWithTheSamePositions) {
  for (const std::int64_t shared : {0, 3, 70}) {
    for (const std::int64_t common : {0, 1, 16, 90, 97}) {
      Data data({.rows = 19,
                 .query_heads = 4,
                 .key_heads = 2,
                 .width = 24,
                 .shared = shared,
                 .tail = 97,
                 .page_positions = 16});
      data.has_bias = true;
      for (std::int64_t row = 1; row < 19; ++row) {
        std::copy_n(data.tail_slots.begin(), common, data.tail_slots.begin() + row * 97);
      }
      ScatteringQueue scattering;
      const std::vector<float> all = data.run(GetParam(), scattering);
      expect_close(data, all);
      if (!GetParam().traits.row_invariant) continue;
      Data last = data;  // alone, all of its tail is in common
      last.problem.rows = 1;
      last.queries.erase(last.queries.begin(), last.queries.end() - 96);
      last.tail_slots.erase(last.tail_slots.begin(), last.tail_slots.end() - 97);
      const std::vector<float> want(all.end() - 96, all.end());
      EXPECT_TRUE(same_bits(last.run(GetParam(), queue_), want)) << shared << " + " << common;
    }
  }
}

TEST_P(PagedAttention, SaysWhatItDoesNotTake) {
  const PagedAttentionProblem nothing{.rows = 1, .query_heads = 1, .key_heads = 1, .width = 8};
  EXPECT_EQ(GetParam().supports(nothing, this_machine()).reason(), "there is no key to attend to");
  const PagedAttentionProblem odd{
      .rows = 1, .query_heads = 3, .key_heads = 2, .width = 8, .shared = 1};
  EXPECT_FALSE(GetParam().supports(odd, this_machine()));
}

INSTANTIATE_TEST_SUITE_P(Kernels, PagedAttention, testing::ValuesIn(paged_attention_kernels()),
                         NameOfKernel());

}  // namespace
}  // namespace instructblip::kernels
