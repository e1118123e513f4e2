#include "kernels/cpu/paged_attention.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "kernels/cpu/paged_rows.h"

namespace instructblip::kernels::cpu {
namespace {

// Queries of a task: their scores stay in a near cache while the keys go by.
constexpr std::int64_t kQueriesOfTask = 16;

// Multiplications below which another thread costs more than it saves.
constexpr std::int64_t kWorthAThread = 1 << 17;

// Room for scores that a thread keeps from one call to the next: a step asks for it in each layer.
float* scratch(std::int64_t size) {
  thread_local std::vector<float> room;
  if (room.size() < static_cast<std::size_t>(size)) room.resize(static_cast<std::size_t>(size));
  return room.data();
}

// A task takes one key head and some rows. Tasks of one head follow each other, so that a thread
// finds its keys and values in a cache when there are more rows than one task takes.
template <RunPagedRows run_rows>
void run(const PagedAttentionProblem& p, const PagedAttentionBuffers& b, Queue& queue) {
  const std::int64_t group = p.query_heads / p.key_heads;
  const std::int64_t task_rows =
      std::clamp<std::int64_t>(kQueriesOfTask / group, 1, std::max<std::int64_t>(1, p.rows));
  const std::int64_t blocks = (p.rows + task_rows - 1) / task_rows;
  const std::int64_t positions = p.shared + p.tail;
  const std::int64_t stride = (positions + kScoreStep - 1) / kScoreStep * kScoreStep + kScoreStep;
  const auto tasks = [&](std::int64_t first, std::int64_t last) {
    PagedRows rows{.query_heads = p.query_heads,
                   .key_heads = p.key_heads,
                   .width = p.width,
                   .shared = p.shared,
                   .tail = p.tail,
                   .page_positions = p.page_positions,
                   .divisor = p.divisor,
                   .queries = b.queries,
                   .pages_of_keys = b.pages_of_keys,
                   .pages_of_values = b.pages_of_values,
                   .shared_slots = b.shared_slots,
                   .shared_lengths = b.shared_lengths,
                   .tail_slots = b.tail_slots,
                   .bias = b.bias,
                   .out = b.out,
                   .key_head = 0,
                   .first_row = 0,
                   .last_row = 0,
                   .scores = scratch(task_rows * group * stride),
                   .stride = stride};
    for (std::int64_t task = first; task < last; ++task) {
      rows.key_head = task / blocks;
      rows.first_row = task % blocks * task_rows;
      rows.last_row = std::min(p.rows, rows.first_row + task_rows);
      run_rows(rows);
    }
  };
  const std::int64_t work = std::max<std::int64_t>(1, 2 * task_rows * group * positions * p.width);
  queue.run(p.key_heads * blocks, std::max<std::int64_t>(1, kWorthAThread / work), tasks);
}

}  // namespace

#if INSTRUCTBLIP_KERNELS_X86
void paged_attention_avx512(const PagedAttentionProblem& problem,
                            const PagedAttentionBuffers& buffers, Queue& queue) {
  run<paged_rows_avx512>(problem, buffers, queue);
}
void paged_attention_avx2(const PagedAttentionProblem& problem,
                          const PagedAttentionBuffers& buffers, Queue& queue) {
  run<paged_rows_avx2>(problem, buffers, queue);
}
#endif
void paged_attention_portable(const PagedAttentionProblem& problem,
                              const PagedAttentionBuffers& buffers, Queue& queue) {
  run<paged_rows_portable>(problem, buffers, queue);
}

}  // namespace instructblip::kernels::cpu
