#include "kernels/reference/attention.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace instructblip::kernels::reference {
namespace {

const float* head_of(const HeadRows& rows, std::int64_t sequence, std::int64_t row,
                     std::int64_t offset) {
  return rows.at + sequence * rows.batch_stride + row * rows.row_stride + offset;
}

void attend(const AttentionProblem& p, const AttentionBuffers& b, std::int64_t row,
            std::int64_t head) {
  const std::int64_t sequence = row / p.queries, i = row % p.queries;
  const std::int64_t key_offset = head / (p.query_heads / p.key_heads) * p.width;
  const float* const query = head_of(b.queries, sequence, i, head * p.width);
  const std::int64_t seen = p.causal ? p.keys - p.queries + i + 1 : p.keys;
  const float* const bias =
      b.bias == nullptr ? nullptr : b.bias + head * (p.queries + p.keys - 1) + p.queries - 1 - i;

  std::vector<float> scores;
  for (std::int64_t j = 0; j < seen; ++j) {
    const float* const key = head_of(b.keys, sequence, j, key_offset);
    double sum = 0.0;
    for (std::int64_t c = 0; c < p.width; ++c) sum += static_cast<double>(query[c]) * key[c];
    const float score = static_cast<float>(sum) / p.divisor;
    scores.push_back(bias == nullptr ? score : score + bias[j]);
  }

  const double max = *std::ranges::max_element(scores);
  double total = 0.0;
  std::vector<double> out(static_cast<std::size_t>(p.width));
  for (std::int64_t j = 0; j < seen; ++j) {
    const float* const value = head_of(b.values, sequence, j, key_offset);
    const double weight = std::exp(scores[static_cast<std::size_t>(j)] - max);
    total += weight;
    for (std::size_t c = 0; c < out.size(); ++c) out[c] += weight * value[c];
  }
  float* const to = b.out + (row * p.query_heads + head) * p.width;
  for (std::size_t c = 0; c < out.size(); ++c) to[c] = static_cast<float>(out[c] / total);
}

}  // namespace

void attention(const AttentionProblem& p, const AttentionBuffers& b, Queue& queue) {
  queue.run(p.batch * p.queries * p.query_heads, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) attend(p, b, i / p.query_heads, i % p.query_heads);
  });
}

}  // namespace instructblip::kernels::reference
