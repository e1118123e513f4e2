#include "kernels/reference/paged_attention.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace instructblip::kernels::reference {
namespace {

// A position that a row attends to.
struct Position {
  std::int64_t slot;
  std::int64_t index;  // among all P + T
};

std::vector<Position> positions_of(const PagedAttentionProblem& p, const PagedAttentionBuffers& b,
                                   std::int64_t row) {
  std::vector<Position> positions;
  const std::int64_t shared = b.shared_lengths == nullptr ? p.shared : b.shared_lengths[row];
  for (std::int64_t j = 0; j < shared; ++j) positions.push_back({b.shared_slots[j], j});
  for (std::int64_t t = 0; t < p.tail; ++t) {
    positions.push_back({b.tail_slots[row * p.tail + t], p.shared + t});
  }
  return positions;
}

// The key, or value, of a slot.
const float* in_slot(const PagedAttentionProblem& p, const float* const* pages,
                     std::int64_t key_head, std::int64_t slot) {
  const float* page = pages[slot / p.page_positions];
  return page + (key_head * p.page_positions + slot % p.page_positions) * p.width;
}

void attend(const PagedAttentionProblem& p, const PagedAttentionBuffers& b, std::int64_t row,
            std::int64_t head) {
  const std::int64_t key_head = head / (p.query_heads / p.key_heads);
  const float* query = b.queries + (row * p.query_heads + head) * p.width;

  const std::vector<Position> positions = positions_of(p, b, row);
  std::vector<float> scores;
  for (const auto& [slot, index] : positions) {
    const float* key = in_slot(p, b.pages_of_keys, key_head, slot);
    double sum = 0.0;
    for (std::int64_t i = 0; i < p.width; ++i) sum += static_cast<double>(query[i]) * key[i];
    float score = static_cast<float>(sum) / p.divisor;
    if (b.bias != nullptr) score += b.bias[head * (p.shared + p.tail) + index];
    scores.push_back(score);
  }

  const double max = *std::ranges::max_element(scores);
  double total = 0.0;
  std::vector<double> out(static_cast<std::size_t>(p.width));
  for (std::size_t j = 0; j < positions.size(); ++j) {
    const float* value = in_slot(p, b.pages_of_values, key_head, positions[j].slot);
    const double weight = std::exp(scores[j] - max);
    total += weight;
    for (std::int64_t i = 0; i < p.width; ++i) {
      out[static_cast<std::size_t>(i)] += weight * value[i];
    }
  }
  for (std::int64_t i = 0; i < p.width; ++i) {
    b.out[(row * p.query_heads + head) * p.width + i] =
        static_cast<float>(out[static_cast<std::size_t>(i)] / total);
  }
}

}  // namespace

void paged_attention(const PagedAttentionProblem& problem, const PagedAttentionBuffers& buffers,
                     Queue& queue) {
  queue.run(problem.rows * problem.query_heads, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      attend(problem, buffers, i / problem.query_heads, i % problem.query_heads);
    }
  });
}

}  // namespace instructblip::kernels::reference
