#include "kernels/cuda/row_summaries.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "emulator/running.h"
#include "kernels/numbers.h"

namespace instructblip::kernels::cuda {
namespace {

struct Summaries {
  RowSummaryProblem problem;
  std::vector<std::int32_t> named_offsets, named_tokens;
  // All that comes out, one behind the other, so that bits of orders are compared at once.
  struct Out {
    std::vector<float> floats;
    std::vector<std::int32_t> ints;
  } out;
  std::vector<std::uint32_t> workspace;
  std::vector<unsigned> counters;

  explicit Summaries(const RowSummaryProblem& p) : problem(p) {
    EXPECT_EQ(row_summaries_refuse(p), nullptr);
  }

  std::size_t rows() const { return static_cast<std::size_t>(problem.rows); }
  std::size_t top() const { return static_cast<std::size_t>(problem.top); }
  float max(std::size_t row) const { return out.floats[row]; }
  float log_sum(std::size_t row) const { return out.floats[rows() + row]; }
  float best_logit(std::size_t row, std::size_t i) const {
    return out.floats[2 * rows() + row * top() + i];
  }
  float named(std::size_t i) const { return out.floats[(2 + top()) * rows() + i]; }
  std::int32_t not_finite(std::size_t row) const { return out.ints[row]; }
  std::int32_t best_token(std::size_t row, std::size_t i) const {
    return out.ints[rows() + row * top() + i];
  }

  void run(const std::vector<float>& logits) {
    out.floats.assign((2 + top()) * rows() + named_tokens.size(), -7.0f);
    out.ints.assign((1 + top()) * rows(), -7);
    workspace.assign(row_summary_workspace(problem), 0x7fbadbad);
    counters.assign(rows(), 0);
    float* f = out.floats.data();
    std::int32_t* n = out.ints.data();
    const RowSummaryBuffers buffers{logits.data(),
                                    named_offsets.empty() ? nullptr : named_offsets.data(),
                                    named_tokens.data(),
                                    f + (2 + top()) * rows(),
                                    f,
                                    f + rows(),
                                    n,
                                    f + 2 * rows(),
                                    n + rows(),
                                    workspace.data(),
                                    counters.data()};
    const std::vector<std::int32_t> blank = out.ints;
    std::vector<std::int32_t> first;
    emulator::run_in_every_order(out.floats, [&] {
      if (first.empty()) first = out.ints == blank ? first : out.ints;
      EXPECT_EQ(summarize_rows(problem, buffers, nullptr, true), 0);
    });
    EXPECT_EQ(first, out.ints);
    for (const unsigned counter : counters) EXPECT_EQ(counter, 0u);
  }
};

std::vector<float> logits_of(const RowSummaryProblem& p, std::uint32_t seed) {
  std::vector<float> logits = numbers(std::int64_t{p.rows} * p.vocabulary, seed);
  for (std::size_t i = 0; i < logits.size(); i += 7) {
    if (logits[i] == 0.0f) logits[i] = -0.0f;  // as good as 0
  }
  return logits;
}

void expect_summaries(const RowSummaryProblem& p, std::int32_t named_each) {
  SCOPED_TRACE(std::to_string(p.rows) + " x " + std::to_string(p.vocabulary) + ", " +
               std::to_string(p.top));
  const std::vector<float> logits = logits_of(p, 3);
  Summaries summaries(p);
  if (named_each > 0) {
    for (std::int32_t row = 0; row < p.rows; ++row) {
      summaries.named_offsets.push_back(static_cast<std::int32_t>(summaries.named_tokens.size()));
      // None in the first row. Among them are the best of others.
      std::vector<std::int32_t> tokens;
      for (std::int32_t i = 0; i < row * named_each; ++i) {
        tokens.push_back((i * 37 + row) % p.vocabulary);
      }
      const auto begin = logits.begin() + std::ptrdiff_t{row} * p.vocabulary;
      if (row > 0) {
        tokens.push_back(
            static_cast<std::int32_t>(std::max_element(begin, begin + p.vocabulary) - begin));
      }
      std::ranges::sort(tokens);
      tokens.erase(std::unique(tokens.begin(), tokens.end()), tokens.end());
      summaries.named_tokens.insert(summaries.named_tokens.end(), tokens.begin(), tokens.end());
    }
    summaries.named_offsets.push_back(static_cast<std::int32_t>(summaries.named_tokens.size()));
  }
  summaries.run(logits);
  std::size_t named = 0;
  for (std::size_t row = 0; row < summaries.rows(); ++row) {
    const std::vector<float> x(
        logits.begin() + static_cast<std::ptrdiff_t>(row) * p.vocabulary,
        logits.begin() + static_cast<std::ptrdiff_t>(row + 1) * p.vocabulary);
    std::vector<std::int32_t> left;
    const std::size_t end =
        named_each > 0 ? static_cast<std::size_t>(summaries.named_offsets[row + 1]) : 0;
    for (std::int32_t token = 0; token < p.vocabulary; ++token) {
      if (named < end && summaries.named_tokens[named] == token) {
        ASSERT_EQ(summaries.named(named), x[static_cast<std::size_t>(token)]);
        ++named;
      } else {
        left.push_back(token);
      }
    }
    std::ranges::stable_sort(left, [&](std::int32_t a, std::int32_t b) {
      return x[static_cast<std::size_t>(a)] > x[static_cast<std::size_t>(b)];
    });
    const float max = *std::ranges::max_element(x);
    double sum = 0.0;
    for (const float value : x) sum += std::exp(double{value} - max);
    EXPECT_EQ(summaries.max(row), max);
    EXPECT_NEAR(summaries.log_sum(row), std::log(sum), 1e-6 * (1 + std::log(sum)));
    EXPECT_EQ(summaries.not_finite(row), -1);
    for (std::size_t i = 0; i < summaries.top(); ++i) {
      const std::int32_t token = i < left.size() ? left[i] : -1;
      ASSERT_EQ(summaries.best_token(row, i), token) << "row " << row << ", " << i;
      if (token >= 0) {
        ASSERT_EQ(summaries.best_logit(row, i), x[static_cast<std::size_t>(token)]);
      }
    }
  }
}

TEST(RowSummariesTest, AreTheNormaliserAndTheBest) {
  expect_summaries({1, 1, 1}, 0);
  expect_summaries({2, 97, 11}, 5);
  expect_summaries({1, 20, 64}, 0);
  expect_summaries({1, 4096, 0}, 0);
  expect_summaries({2, 4097, 3}, 200);
  expect_summaries({3, 9001, 11}, 40);
  expect_summaries({1, 40 * 4096 + 5, 2}, 3);  // more parts than a warp has lanes
}

TEST(RowSummariesTest, TakeMinusZeroForZero) {
  Summaries summaries({1, 5, 5});
  summaries.run({-0.0f, 0.0f, -0.0f, 1.0f, 0.0f});
  for (const auto& [rank, token] : {std::pair{0, 3}, {1, 0}, {2, 1}, {3, 2}, {4, 4}}) {
    EXPECT_EQ(summaries.best_token(0, static_cast<std::size_t>(rank)), token);
  }
}

TEST(RowSummariesTest, NameTheFirstLogitThatIsNotFinite) {
  const RowSummaryProblem problem{3, 9000, 2};
  std::vector<float> logits = logits_of(problem, 1);
  logits[5000] = std::numeric_limits<float>::quiet_NaN();
  logits[8000] = std::numeric_limits<float>::infinity();
  logits[2 * 9000 + 3] = -std::numeric_limits<float>::infinity();
  Summaries summaries(problem);
  summaries.run(logits);
  EXPECT_EQ(summaries.not_finite(0), 5000);
  EXPECT_EQ(summaries.not_finite(1), -1);
  EXPECT_EQ(summaries.not_finite(2), 3);
}

TEST(RowSummariesTest, AreRefusedWhereTheyDoNotFit) {
  EXPECT_STREQ(row_summaries_refuse({1, 0, 1}), "a row has at least one logit");
  EXPECT_STREQ(row_summaries_refuse({1, 9, 65}), "at most the 64 best are found");
  EXPECT_STREQ(row_summaries_refuse({1, 1 << 20, 64}),
               "the rows are too long for so many of the best");
}

}  // namespace
}  // namespace instructblip::kernels::cuda
