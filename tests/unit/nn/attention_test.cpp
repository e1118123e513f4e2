#include "nn/attention.h"

#include <ATen/ops/cat.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "unit/nn/tensors.h"

namespace instructblip {
namespace {

// softmax(q k^T / divisor + bias) v by loops in double; q [H, n, d], k and v [H / G, m, d].
at::Tensor plain_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                           const nn::AttentionOptions& options) {
  const std::int64_t heads = q.size(0), rows = q.size(1), width = q.size(2), keys = k.size(1);
  const std::int64_t group = heads / k.size(0);
  at::Tensor out = q.clone();
  for (std::int64_t h = 0; h < heads; ++h) {
    for (std::int64_t i = 0; i < rows; ++i) {
      const std::int64_t visible = options.causal ? i + 1 : keys;
      std::vector<double> weights;
      double sum = 0;
      for (std::int64_t j = 0; j < visible; ++j) {
        double score = 0;
        for (std::int64_t c = 0; c < width; ++c) {
          score += q[h][i][c].item<double>() * k[h / group][j][c].item<double>();
        }
        score /= options.divisor;
        if (options.bias.defined()) score += options.bias[0][h][i][j].item<double>();
        weights.push_back(std::exp(score));
        sum += weights.back();
      }
      for (std::int64_t c = 0; c < width; ++c) {
        double value = 0;
        for (std::int64_t j = 0; j < visible; ++j) {
          value += weights[static_cast<std::size_t>(j)] / sum * v[h / group][j][c].item<double>();
        }
        out[h][i][c] = value;
      }
    }
  }
  return out;
}

// [n, H * d] of the function under test as [H, n, d].
at::Tensor heads_first(const at::Tensor& merged, std::int64_t heads) {
  return merged.view({merged.size(0), heads, merged.size(1) / heads}).transpose(0, 1);
}

TEST(Attention, BothOrdersEqualTheFormula) {
  for (const auto order : {nn::AttentionOrder::fused, nn::AttentionOrder::composed}) {
    const nn::AttentionOptions options{.order = order, .divisor = std::sqrt(22.0)};
    const at::Tensor q = wave({1, 4, 3, 22}, 0.1), k = wave({1, 4, 7, 22}, 0.2),
                     v = wave({1, 4, 7, 22}, 0.3);
    const at::Tensor got = nn::attention(q, k, v, options);
    EXPECT_LT(
        largest_difference(heads_first(got[0], 4), plain_attention(q[0], k[0], v[0], options)),
        2e-6);
  }
}

TEST(Attention, CausalAndGroupedHeads) {
  const nn::AttentionOptions options{.divisor = 2.0, .causal = true};
  const at::Tensor q = wave({1, 4, 5, 4}, 0.1), k = wave({1, 2, 5, 4}, 0.2),
                   v = wave({1, 2, 5, 4}, 0.3);
  const at::Tensor got = nn::attention(q, k, v, options);
  EXPECT_LT(largest_difference(heads_first(got[0], 4), plain_attention(q[0], k[0], v[0], options)),
            2e-6);
}

TEST(Attention, ComposedAddsTheBias) {
  const nn::AttentionOptions options{.order = nn::AttentionOrder::composed,
                                     .bias = wave({1, 2, 3, 5}, 0.7)};
  const at::Tensor q = wave({1, 2, 3, 4}, 0.1), k = wave({1, 2, 5, 4}, 0.2),
                   v = wave({1, 2, 5, 4}, 0.3);
  EXPECT_LT(largest_difference(heads_first(nn::attention(q, k, v, options)[0], 2),
                               plain_attention(q[0], k[0], v[0], options)),
            2e-6);
}

// Every row of a cache, with grouped heads and a bias, against attention over its own keys in one
// piece.
TEST(Attention, CachedRowsEqualAttentionOverTheirOwnKeys) {
  const std::int64_t rows = 3, heads = 4, key_heads = 2, width = 6;
  for (const std::int64_t prompt : {0, 5}) {
    nn::KvView view;
    if (prompt > 0) {
      view.shared_keys = wave({1, key_heads, prompt, width}, 0.1);
      view.shared_values = wave({1, key_heads, prompt, width}, 0.2);
    }
    view.tail_keys = wave({rows, key_heads, 4, width}, 0.3);
    view.tail_values = wave({rows, key_heads, 4, width}, 0.4);
    nn::AttentionOptions options{.order = nn::AttentionOrder::composed, .divisor = 1.7};
    options.bias = wave({1, heads, 1, prompt + 4}, 0.6);
    const at::Tensor q = wave({rows, heads, 1, width}, 0.5);
    const at::Tensor got = nn::cached_attention(q, view, options);  // [R, 1, H * d]
    for (std::int64_t r = 0; r < rows; ++r) {
      at::Tensor keys = view.tail_keys[r], values = view.tail_values[r];
      if (prompt > 0) {
        keys = at::cat({view.shared_keys[0], keys}, 1);
        values = at::cat({view.shared_values[0], values}, 1);
      }
      EXPECT_LT(largest_difference(heads_first(got[r], heads),
                                   plain_attention(q[r], keys, values, options)),
                2e-6)
          << "prompt " << prompt << " row " << r;
    }
  }
}

}  // namespace
}  // namespace instructblip
