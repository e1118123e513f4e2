#include "kernels/cpu/paged_attention.h"

#include <algorithm>
#include <cstddef>
#include <span>
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

// Where the keys, or values, of key head 0 begin, in order of `slots`.
const float** locate(const PagedAttentionProblem& p, const float* const* pages,
                     std::span<const std::int32_t> slots, const float** to) {
  const auto page_positions = static_cast<std::int32_t>(p.page_positions);
  std::int32_t place = 0;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (i > 0 && slots[i] == slots[i - 1] + 1 && place + 1 < page_positions) {
      to[i] = to[i - 1] + p.width;
      ++place;
      continue;
    }
    place = slots[i] % page_positions;
    to[i] = pages[slots[i] / page_positions] + place * p.width;
  }
  return to + slots.size();
}

// How many positions all tails begin with: hypotheses come from one another, and differ in their
// last words.
std::int64_t common_length(const PagedAttentionProblem& p, const PagedAttentionBuffers& b) {
  if (b.shared_lengths != nullptr) return 0;  // then not all of what is shared stands before a tail
  std::int64_t common = p.tail;
  for (std::int64_t row = 1; row < p.rows; ++row) {
    const std::int32_t* const tail = b.tail_slots + row * p.tail;
    common = std::mismatch(tail, tail + common, b.tail_slots).first - tail;
  }
  return common;
}

// All positions of a call, those that tails have in common among the shared ones.
struct Places {
  std::int64_t shared, tail;
  PagedPlaces keys, values;
};

// Valid until this thread's next call: tasks on other threads read what it points to, and a queue
// returns when all of them are done.
Places places_of(const PagedAttentionProblem& p, const PagedAttentionBuffers& b) {
  thread_local std::vector<const float*> found_places;
  const std::int64_t common = common_length(p, b);
  Places places{.shared = p.shared + common, .tail = p.tail - common, .keys = {}, .values = {}};
  found_places.resize(2 * static_cast<std::size_t>(places.shared + p.rows * places.tail));
  const float** to = found_places.data();
  const auto locate_all = [&](const float* const* pages) {
    const PagedPlaces found{.shared = to, .tails = to + places.shared};
    to = locate(p, pages, {b.shared_slots, static_cast<std::size_t>(p.shared)}, to);
    to = locate(p, pages, {b.tail_slots, static_cast<std::size_t>(common)}, to);
    for (std::int64_t row = 0; row < p.rows; ++row) {
      const std::int32_t* const own = b.tail_slots + row * p.tail + common;
      to = locate(p, pages, {own, static_cast<std::size_t>(places.tail)}, to);
    }
    return found;
  };
  places.keys = locate_all(b.pages_of_keys);
  places.values = locate_all(b.pages_of_values);
  return places;
}

// A task takes one key head and some rows. Tasks of one head follow each other, so that a thread
// finds its keys and values in a cache when there are more rows than one task takes.
template <RunPagedRows run_rows>
void run(const PagedAttentionProblem& p, const PagedAttentionBuffers& b, Queue& queue) {
  if (p.rows == 0) return;
  const std::int64_t group = p.query_heads / p.key_heads;
  const std::int64_t task_rows = std::clamp<std::int64_t>(kQueriesOfTask / group, 1, p.rows);
  const std::int64_t blocks = (p.rows + task_rows - 1) / task_rows;
  const std::int64_t positions = p.shared + p.tail;
  const std::int64_t stride = (positions + kScoreStep - 1) / kScoreStep * kScoreStep + kScoreStep;
  const Places places = places_of(p, b);
  const auto tasks = [&](std::int64_t first, std::int64_t last) {
    PagedRows rows{.query_heads = p.query_heads,
                   .key_heads = p.key_heads,
                   .width = p.width,
                   .shared = places.shared,
                   .tail = places.tail,
                   .apart = p.page_positions * p.width,
                   .divisor = p.divisor,
                   .queries = b.queries,
                   .keys = places.keys,
                   .values = places.values,
                   .shared_lengths = b.shared_lengths,
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
  const std::int64_t work = 2 * task_rows * group * positions * p.width;
  queue.run(p.key_heads * blocks, grain_of(work, kWorthAThread), tasks);
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
