#include "kernels/cpu/attention.h"

#include <algorithm>

#include "kernels/cpu/attention_rows.h"
#include "kernels/cpu/packed_parts.h"

namespace instructblip::kernels::cpu {
namespace {

// Queries that share keys and values packed once: packing them costs as much as some ten queries.
constexpr std::int64_t kQueriesOfTask = 320;

// Scores that stay in a second level cache beside the panels that make them.
constexpr std::int64_t kScoresOfBlock = 1 << 16;

std::int64_t whole_panels(std::int64_t columns) { return panels_of(columns) * kRowsOfPanel; }

// Rows that are multiplied with a panel while it is in the first level cache.
std::int64_t rows_of_block(std::int64_t keys) {
  for (const std::int64_t rows : {kMostRowsOfBlock, kMostRowsOfBlock / 2}) {
    if (rows * whole_panels(keys) <= kScoresOfBlock) return rows;
  }
  return kMostRowsOfBlock / 4;
}

// The first number of a head of a sequence.
const float* first_of_head(const HeadRows& rows, std::int64_t sequence, std::int64_t offset) {
  return rows.at + sequence * rows.batch_stride + offset;
}

// A task takes one key head of a sequence and some of its rows.
template <RunAttentionRows run_rows>
void run(const AttentionProblem& p, const AttentionBuffers& b, Queue& queue) {
  if (p.queries == 0 || p.query_heads == 0 || p.width == 0) return;
  const std::int64_t group = p.query_heads / p.key_heads, n = p.queries;
  const std::int64_t parts = (n * group + kQueriesOfTask - 1) / kQueriesOfTask;
  const std::int64_t rows = (n + parts - 1) / parts, block = rows_of_block(p.keys);
  const std::int64_t width = whole_panels(p.width), keys = whole_panels(p.keys);
  queue.run(p.batch * p.key_heads * parts, 1, [&](std::int64_t first, std::int64_t last) {
    const Room panels(Room::weights, keys * p.width + p.keys * width);
    const Room scores(Room::sums, block * keys), sums(Room::rows, block * width);
    for (std::int64_t task = first; task < last; ++task) {
      const std::int64_t part = task % parts, head = task / parts % p.key_heads;
      const std::int64_t sequence = task / parts / p.key_heads, query_head = head * group;
      const std::int64_t bias_stride = n + p.keys - 1;
      run_rows({.keys = p.keys,
                .width = p.width,
                .group = group,
                .divisor = p.divisor,
                .query_rows = first_of_head(b.queries, sequence, query_head * p.width),
                .key_rows = first_of_head(b.keys, sequence, head * p.width),
                .value_rows = first_of_head(b.values, sequence, head * p.width),
                .query_stride = b.queries.row_stride,
                .key_stride = b.keys.row_stride,
                .value_stride = b.values.row_stride,
                .bias = b.bias == nullptr ? nullptr : b.bias + query_head * bias_stride + n - 1,
                .bias_stride = bias_stride,
                .out = b.out + (sequence * n * p.query_heads + query_head) * p.width,
                .out_stride = p.query_heads * p.width,
                .first_row = std::min(n, part * rows),
                .last_row = std::min(n, (part + 1) * rows),
                .seen_by_first = p.causal ? p.keys - n + 1 : p.keys,
                .causal = p.causal,
                .key_panels = panels.get(),
                .value_panels = panels.get() + keys * p.width,
                .rows_of_block = block,
                .scores = scores.get(),
                .sums = sums.get()});
    }
  });
}

}  // namespace

#if INSTRUCTBLIP_KERNELS_X86
void attention_avx512(const AttentionProblem& problem, const AttentionBuffers& buffers,
                      Queue& queue) {
  run<attention_rows_avx512>(problem, buffers, queue);
}
void attention_avx2(const AttentionProblem& problem, const AttentionBuffers& buffers,
                    Queue& queue) {
  run<attention_rows_avx2>(problem, buffers, queue);
}
#endif
void attention_portable(const AttentionProblem& problem, const AttentionBuffers& buffers,
                        Queue& queue) {
  run<attention_rows_portable>(problem, buffers, queue);
}

}  // namespace instructblip::kernels::cpu
