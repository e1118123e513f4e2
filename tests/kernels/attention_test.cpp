#include "kernels/attention.h"

#include <gtest/gtest.h>

#include <limits>
#include <ostream>
#include <span>

#include "kernels/attention_bound.h"
#include "kernels/numbers.h"

namespace instructblip::kernels {

void PrintTo(const AttentionKernel& kernel, std::ostream* out) { *out << kernel.name; }

void PrintTo(const AttentionProblem& p, std::ostream* out) {
  *out << p.batch << " x " << p.queries << " over " << p.keys << ", " << p.query_heads << "/"
       << p.key_heads << " x " << p.width << (p.causal ? ", causal" : "");
}

namespace {

// Rows of heads, with `gap` numbers of something else behind each.
struct Rows {
  std::int64_t stride;
  std::int64_t count;  // rows of a sequence
  std::vector<float> elements;

  Rows(std::int64_t batch, std::int64_t rows, std::int64_t numbers_of_row, std::int64_t gap,
       std::uint32_t seed)
      : stride(numbers_of_row + gap), count(rows), elements(numbers(batch * rows * stride, seed)) {}

  HeadRows view() const { return {elements.data(), stride, count * stride}; }
  const float* row(std::int64_t sequence, std::int64_t i) const {
    return elements.data() + (sequence * count + i) * stride;
  }
};

struct Data {
  AttentionProblem problem;
  Rows queries, keys, values;
  std::vector<float> bias;
  bool has_bias;

  explicit Data(const AttentionProblem& p, bool with_bias = false, std::int64_t gap = 0)
      : problem(p),
        queries(p.batch, p.queries, p.query_heads * p.width, gap, 1),
        keys(p.batch, p.keys, p.key_heads * p.width, 2 * gap, 2),
        values(p.batch, p.keys, p.key_heads * p.width, 3 * gap, 3),
        bias(numbers(p.query_heads * (p.queries + p.keys - 1), 4)),
        has_bias(with_bias) {}

  std::int64_t numbers_of_row() const { return problem.query_heads * problem.width; }

  std::vector<float> run(const AttentionKernel& kernel, Queue& queue) const {
    std::vector<float> out(
        static_cast<std::size_t>(problem.batch * problem.queries * numbers_of_row()),
        std::numeric_limits<float>::quiet_NaN());
    kernel.run(
        problem,
        {queries.view(), keys.view(), values.view(), has_bias ? bias.data() : nullptr, out.data()},
        queue);
    return out;
  }
};

// What query i of a sequence sees.
test::AttentionInput seen_by(const Data& data, std::int64_t sequence, std::int64_t i,
                             std::int64_t head) {
  const AttentionProblem& p = data.problem;
  const std::int64_t key_head = head / (p.query_heads / p.key_heads);
  test::AttentionInput seen{.query = std::span(data.queries.row(sequence, i) + head * p.width,
                                               static_cast<std::size_t>(p.width)),
                            .keys = {},
                            .values = {},
                            .bias = {},
                            .divisor = p.divisor};
  for (std::int64_t j = 0; j < (p.causal ? p.keys - p.queries + i + 1 : p.keys); ++j) {
    seen.keys.push_back(data.keys.row(sequence, j) + key_head * p.width);
    seen.values.push_back(data.values.row(sequence, j) + key_head * p.width);
    const std::int64_t at = head * (p.queries + p.keys - 1) + j - i + p.queries - 1;
    if (data.has_bias) seen.bias.push_back(data.bias[static_cast<std::size_t>(at)]);
  }
  return seen;
}

void expect_close(const Data& data, const std::vector<float>& got) {
  const AttentionProblem& p = data.problem;
  for (std::int64_t row = 0; row < p.batch * p.queries; ++row) {
    for (std::int64_t head = 0; head < p.query_heads; ++head) {
      const test::AttentionInput seen = seen_by(data, row / p.queries, row % p.queries, head);
      const std::vector<double> want = test::attention(seen), bound = attention_bound(seen);
      for (std::int64_t c = 0; c < p.width; ++c) {
        const std::int64_t at = row * data.numbers_of_row() + head * p.width + c;
        const auto column = static_cast<std::size_t>(c);
        ASSERT_NEAR(got[static_cast<std::size_t>(at)], want[column], bound[column])
            << testing::PrintToString(p) << (data.has_bias ? ", biased" : "") << ": row " << row
            << ", head " << head << ", column " << c;
      }
    }
  }
}

class WholeAttention : public testing::TestWithParam<AttentionKernel> {
 protected:
  void SetUp() override {
    const AttentionProblem one{
        .queries = 1, .keys = 1, .query_heads = 1, .key_heads = 1, .width = 1};
    if (const Support support = GetParam().supports(one, this_machine()); !support) {
      GTEST_SKIP() << support.reason();
    }
  }
};

// Around the sizes of tiles, panels and blocks, rows side by side and apart.
TEST_P(WholeAttention, IsSoftmaxOfScoresTimesValues) {
  SerialQueue queue;
  for (const std::int64_t queries : {1, 2, 5, 6, 7, 13, 25}) {
    for (const std::int64_t keys : {1, 3, 15, 16, 17, 40}) {
      for (const std::int64_t width : {1, 8, 15, 16, 22, 40}) {
        const Data data({.batch = 2,
                         .queries = queries,
                         .keys = keys,
                         .query_heads = 4,
                         .key_heads = 2,
                         .width = width,
                         .divisor = 1.7f},
                        /*with_bias=*/width % 2 == 0, /*gap=*/width % 3);
        expect_close(data, data.run(GetParam(), queue));
      }
    }
  }
}

TEST_P(WholeAttention, SeesNothingLaterWhereItIsCausal) {
  SerialQueue queue;
  for (const std::int64_t queries : {1, 6, 17, 50}) {
    for (const std::int64_t before : {0, 1, 15, 16, 33}) {
      for (const bool biased : {false, true}) {
        const Data data({.queries = queries,
                         .keys = queries + before,
                         .query_heads = 2,
                         .key_heads = 1,
                         .width = 24,
                         .divisor = 4.9f,
                         .causal = true},
                        biased, /*gap=*/5);
        expect_close(data, data.run(GetParam(), queue));
      }
    }
  }
}

// Those of a picture, of queries over it, of T5's and LLaMA's prompts, and ones of several blocks.
TEST_P(WholeAttention, TakesTheShapesOfModels) {
  SerialQueue queue;
  const AttentionProblem shapes[] = {
      {.queries = 257, .keys = 257, .query_heads = 2, .key_heads = 2, .width = 88, .divisor = 9.4f},
      {.batch = 3,
       .queries = 32,
       .keys = 257,
       .query_heads = 2,
       .key_heads = 2,
       .width = 64,
       .divisor = 8.0f},
      {.queries = 64, .keys = 64, .query_heads = 3, .key_heads = 3, .width = 64},
      {.queries = 130,
       .keys = 130,
       .query_heads = 4,
       .key_heads = 1,
       .width = 128,
       .divisor = 11.3f,
       .causal = true},
      {.queries = 30, .keys = 530, .query_heads = 1, .key_heads = 1, .width = 80, .divisor = 9.0f},
  };
  // Blocks of positions that a row sees in part, or not at all.
  for (const std::int64_t queries : {40, 300}) {
    for (const bool biased : {false, true}) {
      const Data data({.queries = queries,
                       .keys = 300,
                       .query_heads = 2,
                       .key_heads = 1,
                       .width = 20,
                       .divisor = 4.5f,
                       .causal = true},
                      biased);
      expect_close(data, data.run(GetParam(), queue));
    }
  }
  for (const AttentionProblem& shape : shapes) {
    const Data data(shape, /*with_bias=*/shape.divisor == 1.0f);
    expect_close(data, data.run(GetParam(), queue));
  }
  // A block of rows is shorter where there are many keys.
  for (const std::int64_t keys : {1500, 2800}) {
    const Data data({.queries = 26, .keys = keys, .query_heads = 1, .key_heads = 1, .width = 5});
    expect_close(data, data.run(GetParam(), queue));
  }
}

TEST_P(WholeAttention, HasNothingToDoWithoutRows) {
  SerialQueue queue;
  const Data data({.queries = 0, .keys = 3, .query_heads = 2, .key_heads = 2, .width = 4});
  EXPECT_TRUE(data.run(GetParam(), queue).empty());
}

TEST_P(WholeAttention, ARowHasItsBitsInAnyBatchAndOnAnyThread) {
  SerialQueue serial;
  ScatteringQueue scattering;
  const AttentionProblem whole{.batch = 3,
                               .queries = 70,
                               .keys = 300,
                               .query_heads = 4,
                               .key_heads = 2,
                               .width = 40,
                               .divisor = 6.3f};
  const Data all(whole);
  const std::vector<float> y = all.run(GetParam(), serial);
  EXPECT_TRUE(same_bits(y, all.run(GetParam(), scattering)));
  Data some = all;  // the rows 20 to 30 of the second sequence
  some.problem.batch = 1;
  some.problem.queries = 11;
  const std::int64_t width = all.numbers_of_row();
  const auto cut = [](Rows& rows, std::int64_t first) {
    rows.elements.erase(rows.elements.begin(), rows.elements.begin() + first * rows.stride);
  };
  cut(some.queries, whole.queries + 20);
  cut(some.keys, whole.keys);
  cut(some.values, whole.keys);
  const std::int64_t from = (whole.queries + 20) * width;
  EXPECT_TRUE(
      same_bits(some.run(GetParam(), serial), {y.begin() + from, y.begin() + from + 11 * width}));
}

// A number that is none stays in the rows that see it.
TEST_P(WholeAttention, WhatIsNoNumberStaysInItsRow) {
  SerialQueue queue;
  Data data({.queries = 9, .keys = 20, .query_heads = 1, .key_heads = 1, .width = 16});
  data.queries.elements[3 * 16 + 2] = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> y = data.run(GetParam(), queue);
  for (std::size_t i = 0; i < y.size(); ++i) EXPECT_EQ(std::isnan(y[i]), i / 16 == 3) << i;
}

INSTANTIATE_TEST_SUITE_P(Kernels, WholeAttention, testing::ValuesIn(attention_kernels()),
                         NameOfKernel());

TEST(AttentionTest, Avx512AndAvx2GiveTheSameBits) {
  SerialQueue queue;
  const Data data({.queries = 33, .keys = 290, .query_heads = 1, .key_heads = 1, .width = 24});
  std::vector<std::vector<float>> results;
  for (const AttentionKernel& kernel : attention_kernels()) {
    if (!kernel.name.starts_with("avx")) continue;
    if (kernel.supports(data.problem, this_machine())) results.push_back(data.run(kernel, queue));
  }
  for (std::size_t i = 1; i < results.size(); ++i) EXPECT_TRUE(same_bits(results[0], results[i]));
}

TEST(AttentionTest, RefusesWhatHasNoAnswer) {
  const auto reason = [](const AttentionProblem& problem) {
    return std::string(attention_kernels().back().supports(problem, this_machine()).reason());
  };
  EXPECT_EQ(reason({.queries = 1, .keys = 0, .query_heads = 1, .key_heads = 1, .width = 1}),
            "there is no key to attend to");
  EXPECT_EQ(reason({.queries = 2, .keys = 3, .query_heads = 3, .key_heads = 2, .width = 1}),
            "the query heads are no multiple of the key heads");
  EXPECT_EQ(reason({.queries = 3, .keys = 2, .query_heads = 1, .key_heads = 1, .causal = true}),
            "its first row would see no key");
}

}  // namespace
}  // namespace instructblip::kernels
