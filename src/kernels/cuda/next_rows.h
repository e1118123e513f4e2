// The rows of a model's next pass on a CUDA device, chosen from the row summaries of the pass
// before (row_summaries.h) and written into the tables that it reads: it can follow without the
// host. The contract of next_rows.cu.
#pragma once

#include <cstdint>

namespace instructblip::kernels::cuda {

// All rows go on as in beam search (decoding/running_beams.h): of the continuations of all rows of
// a request, in the order of their sums of log probabilities, so many candidates are looked at, and
// the first of them that do not end go on. A single candidate: the one row goes on with its best
// token.
struct NextRowsProblem {
  std::int32_t requests = 0;
  std::int32_t rows = 0;        // hypotheses of each request: 1 to 16
  std::int32_t candidates = 0;  // 1 of one row; of several, at least as many and at most 63
  std::int32_t stop_ids = 0;
  // How many of the best the summaries have: more than candidates, where these are several.
  std::int32_t top = 0;
  std::int32_t max_shared = 0, max_tail = 0;  // columns of the tables of slots
};

// R = requests * rows.
struct NextRowsBuffers {
  const float *max, *log_sum;       // [R]
  const std::int32_t* not_finite;   // [R]
  const float* best_logits;         // [R, top]
  const std::int32_t* best_tokens;  // [R, top]
  const std::int32_t* stop_ids;     // [stop_ids], tokens behind which nothing goes on
  const float* scores;  // [R], sums of log probabilities; null where there is one candidate
  const std::int32_t* new_slots;  // [R], that the keys and values of the next pass' rows take

  // The tables, in the words of PagedAttentionBuffers. A row alone without positions of its own
  // makes the shared ones more, as KvCache does.
  std::int32_t *tokens, *positions, *newest;  // [R]
  std::int32_t* lengths;                      // [requests, 2]
  std::int32_t* shared_slots;                 // [requests, max_shared]
  std::int32_t* tail_slots;                   // [R, max_tail]

  // What was chosen: the row of its request that each row continues, its token, and the sum. Both
  // are -1 in all rows of a request whose tables are as they were: where too few go on, a logit is
  // not finite, the tables are full, or equal scores decide, for which the whole rows are needed.
  std::int32_t *chosen_sources, *chosen_tokens;  // [R]
  float* chosen_scores;                          // [R], or null where `scores` is
};

// Why the kernel does not take such sizes; null: it does.
const char* next_rows_refuse(const NextRowsProblem& problem);

// As attend(). Behind summarize_rows().
[[nodiscard]] int choose_next_rows(const NextRowsProblem& problem, const NextRowsBuffers& buffers,
                                   void* stream, bool overlaps_previous);

}  // namespace instructblip::kernels::cuda
