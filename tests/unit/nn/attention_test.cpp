#include "nn/attention.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "nn/kv_cache.h"
#include "nn/relative_bias.h"
#include "unit/nn/runtimes.h"
#include "unit/nn/tensors.h"

namespace instructblip {
namespace {

// softmax(q k^T / divisor + bias) v by loops in double; q [n, H, d], k and v [m, G, d] -> [n, H *
// d].
at::Tensor plain_attention(const nn::Heads& of, const nn::AttentionOptions& options,
                           const at::Tensor& bias = {}) {
  const at::Tensor &q = of.queries, &k = of.keys, &v = of.values;
  const std::int64_t rows = q.size(0), heads = q.size(1), width = q.size(2), keys = k.size(0);
  const std::int64_t group = heads / k.size(1);
  at::Tensor out = q.clone();
  for (std::int64_t h = 0; h < heads; ++h) {
    for (std::int64_t i = 0; i < rows; ++i) {
      const std::int64_t visible = options.causal ? i + 1 : keys;
      std::vector<double> weights;
      double sum = 0;
      for (std::int64_t j = 0; j < visible; ++j) {
        double score = 0;
        for (std::int64_t c = 0; c < width; ++c) {
          score += q[i][h][c].item<double>() * k[j][h / group][c].item<double>();
        }
        score /= options.divisor;
        if (bias.defined()) score += bias[h][i][j].item<double>();
        weights.push_back(std::exp(score));
        sum += weights.back();
      }
      for (std::int64_t c = 0; c < width; ++c) {
        double value = 0;
        for (std::int64_t j = 0; j < visible; ++j) {
          value += weights[static_cast<std::size_t>(j)] / sum * v[j][h / group][c].item<double>();
        }
        out[i][h][c] = value;
      }
    }
  }
  return out.view({rows, heads * width});
}

nn::Heads waves(std::int64_t rows, std::int64_t heads, std::int64_t keys, std::int64_t key_heads,
                std::int64_t width, double seed = 0) {
  return {wave({rows, heads, width}, seed + 0.1), wave({keys, key_heads, width}, seed + 0.2),
          wave({keys, key_heads, width}, seed + 0.3)};
}

enum class By { kernels, fast_kernels, deterministic_kernels, compositions };

std::unique_ptr<const nn::Runtime> runtime_of(By by) {
  if (by == By::compositions) return std::make_unique<ComposingRuntime>();
  const nn::Numerics numerics = by == By::kernels        ? nn::Numerics::reference
                                : by == By::fast_kernels ? nn::Numerics::fast
                                                         : nn::Numerics::deterministic;
  return std::make_unique<nn::Runtime>(1, numerics);
}

class Attention : public testing::TestWithParam<By> {
 protected:
  const std::unique_ptr<const nn::Runtime> owned_ = runtime_of(GetParam());
  const nn::Runtime& runtime_ = *owned_;
};

TEST_P(Attention, BothOrdersEqualTheFormula) {
  for (const auto order : {nn::AttentionOrder::fused, nn::AttentionOrder::composed}) {
    const nn::AttentionOptions options{&runtime_, order, std::sqrt(22.0)};
    const nn::Heads heads = waves(3, 4, 7, 4, 22);
    const nn::Heads batch = {heads.queries.unsqueeze(0), heads.keys.unsqueeze(0),
                             heads.values.unsqueeze(0)};
    EXPECT_LT(largest_difference(nn::attend(batch, options)[0], plain_attention(heads, options)),
              2e-6);
  }
}

// Heads that lie in rows with others, as a product of all three gives them, and as OPT has them.
TEST_P(Attention, TakesHeadsWhereAProductLeftThem) {
  const at::Tensor all = wave({2, 9, 3, 4, 6}, 0.3);  // [B, n, of three, H, d]
  const nn::Heads heads = {all.select(2, 0), all.select(2, 1), all.select(2, 2)};
  const nn::AttentionOptions options{.runtime = &runtime_, .divisor = 3.0, .query_scale = 0.5};
  const at::Tensor got = nn::attend(heads, options);
  for (std::int64_t i = 0; i < 2; ++i) {
    const nn::Heads one = {heads.queries[i], heads.keys[i], heads.values[i]};
    const at::Tensor want = plain_attention(one, {.runtime = &runtime_, .divisor = 6.0});
    EXPECT_LT(largest_difference(got[i], want), 2e-6);
  }
}

// Two sequences side by side, causal, with grouped heads: each to itself.
TEST_P(Attention, PackedSequencesDoNotSeeEachOther) {
  for (const auto order : {nn::AttentionOrder::fused, nn::AttentionOrder::composed}) {
    const nn::AttentionOptions options{
        .runtime = &runtime_, .order = order, .divisor = 2.0, .causal = true};
    const nn::Heads heads = waves(8, 4, 8, 2, 4);
    const std::vector<nn::Part> parts = {{0, 5}, {5, 3}};
    const at::Tensor got = nn::attend(heads, nn::Rows{parts}, 0, options);
    for (const nn::Part& part : parts) {
      const nn::Heads own = {part.of(heads.queries), part.of(heads.keys), part.of(heads.values)};
      EXPECT_LT(largest_difference(part.of(got), plain_attention(own, options)), 2e-6);
    }
  }
}

TEST_P(Attention, AddsABiasToEachPart) {
  const nn::AttentionOptions options{&runtime_, nn::AttentionOrder::composed};
  const nn::Heads heads = waves(7, 2, 7, 2, 4);
  const std::vector<nn::Part> parts = {{0, 3}, {3, 4}};
  const std::vector<at::Tensor> biases = {wave({2, 3, 3}, 0.7), wave({2, 4, 4}, 0.8)};
  nn::Rows rows{parts};
  const nn::RowBiases of_parts(biases);
  rows.biases = &of_parts;
  const at::Tensor got = nn::attend(heads, rows, 0, options);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const nn::Part& part = parts[i];
    const nn::Heads own = {part.of(heads.queries), part.of(heads.keys), part.of(heads.values)};
    EXPECT_LT(largest_difference(part.of(got), plain_attention(own, options, biases[i])), 2e-6);
  }
}

// Every row of a cache, with grouped heads and a bias, against attention over its own keys in one
// piece.
TEST_P(Attention, HypothesesAttendToTheirOwnHistory) {
  const std::int64_t heads = 4, key_heads = 2, width = 6;
  for (const std::int64_t prompt : {0, 5}) {
    SCOPED_TRACE("prompt " + std::to_string(prompt));
    const nn::AttentionOptions options{.runtime = &runtime_,
                                       .order = nn::AttentionOrder::composed,
                                       .divisor = 1.7,
                                       .causal = true};
    const nn::KvPool pool(runtime_, 1, key_heads, width);
    nn::KvCache cache(pool);
    std::vector<nn::KvCache*> caches = {&cache};
    std::vector<at::Tensor> keys(3), values(3);  // one per row, [its length, G, d]
    if (prompt > 0) {
      const nn::Heads first = waves(prompt, heads, prompt, key_heads, width);
      const std::vector<nn::Part> parts = {{0, prompt}};
      cache.begin_sequence(prompt);
      nn::attend(first, {parts, nn::Rows::Kind::sequence, caches}, 0, options);
      std::ranges::fill(keys, first.keys);
      std::ranges::fill(values, first.values);
    } else {
      std::ranges::fill(keys, at::empty({0, key_heads, width}));
      std::ranges::fill(values, at::empty({0, key_heads, width}));
    }
    const std::vector<std::vector<std::int32_t>> steps = {
        {0}, {0, 0, 0}, {2, 0, 1}, {1, 1}, {0, 1, 1}};
    double seed = 1;
    for (const std::vector<std::int32_t>& sources : steps) {
      const std::int64_t rows = std::ssize(sources);
      const nn::Heads now = waves(rows, heads, rows, key_heads, width, ++seed);
      const std::vector<nn::Part> parts = {{0, rows}};
      cache.begin_step(sources);
      const std::vector<at::Tensor> biases = {wave({heads, 1, cache.length()}, 0.6)};
      const nn::RowBiases of_parts(biases);
      const at::Tensor got =
          nn::attend(now, {parts, nn::Rows::Kind::hypotheses, caches, &of_parts}, 0, options);
      std::vector<at::Tensor> next_keys, next_values;
      for (std::int64_t r = 0; r < rows; ++r) {
        const auto source = static_cast<std::size_t>(sources[static_cast<std::size_t>(r)]);
        next_keys.push_back(at::cat({keys[source], now.keys.narrow(0, r, 1)}));
        next_values.push_back(at::cat({values[source], now.values.narrow(0, r, 1)}));
        const nn::Heads own = {now.queries.narrow(0, r, 1), next_keys.back(), next_values.back()};
        nn::AttentionOptions to_all = options;
        to_all.causal = false;
        EXPECT_LT(
            largest_difference(got.narrow(0, r, 1), plain_attention(own, to_all, biases.front())),
            2e-6)
            << "row " << r;
      }
      keys = next_keys;
      values = next_values;
    }
  }
}

// A text that is read in pieces, each of which sees the pieces before, against one piece.
TEST_P(Attention, ASequenceMayComeInPieces) {
  for (const auto order : {nn::AttentionOrder::fused, nn::AttentionOrder::composed}) {
    const nn::AttentionOptions options{
        .runtime = &runtime_, .order = order, .divisor = 1.7, .causal = true};
    const nn::Heads all = waves(21, 4, 21, 2, 6);
    const nn::KvPool pool(runtime_, 1, 2, 6);
    nn::KvCache cache(pool);
    const std::vector<nn::KvCache*> caches = {&cache};
    std::vector<at::Tensor> got;
    for (const nn::Part& piece : std::vector<nn::Part>{{0, 3}, {3, 15}, {18, 1}, {19, 2}}) {
      const std::vector<nn::Part> parts = {{0, piece.count}};
      cache.begin_sequence(piece.count);
      got.push_back(nn::attend({piece.of(all.queries), piece.of(all.keys), piece.of(all.values)},
                               {parts, nn::Rows::Kind::sequence, caches}, 0, options));
    }
    EXPECT_LT(largest_difference(at::cat(got), plain_attention(all, options)), 2e-6);
  }
}

// As a decoder looks at what an encoder made: nothing is added to the cache.
TEST_P(Attention, HypothesesLookAtAMemory) {
  const nn::AttentionOptions options{&runtime_, nn::AttentionOrder::composed};
  const nn::Heads encoded = waves(0, 2, 6, 2, 4);
  const std::vector<nn::Part> prompts = {{0, 4}, {4, 2}};
  const nn::KvPool pool(runtime_, 1, 2, 4);
  nn::KvCache one(pool), two(pool);
  one.begin_sequence(4);
  two.begin_sequence(2);
  const std::vector<nn::KvCache*> memories = {&one, &two};
  nn::remember(encoded, {prompts, nn::Rows::Kind::sequence, memories}, 0);
  const at::Tensor queries = wave({5, 2, 4}, 0.9);
  const std::vector<nn::Part> parts = {{0, 3}, {3, 2}};
  for (int again = 0; again < 2; ++again) {
    const at::Tensor got =
        nn::attend({queries, {}, {}}, {parts, nn::Rows::Kind::hypotheses, memories}, 0, options);
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const nn::Heads own = {parts[i].of(queries), prompts[i].of(encoded.keys),
                             prompts[i].of(encoded.values)};
      EXPECT_LT(largest_difference(parts[i].of(got), plain_attention(own, options)), 2e-6);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Numerics, Attention,
                         testing::Values(By::kernels, By::fast_kernels, By::deterministic_kernels,
                                         By::compositions));

}  // namespace
}  // namespace instructblip
