// What the files of one instruction set compute of an attention over pages. Known to them, so it
// includes nothing that brings functions with it.
#pragma once

#include <cstdint>

namespace instructblip::kernels::cpu {

// The rows [first_row, last_row) of one key head, with all query heads that use it. Names as in
// kernels/paged_attention.h.
struct PagedRows {
  std::int64_t query_heads, key_heads, width, shared, tail, page_positions;
  float divisor;
  const float* queries;
  const float* const* pages_of_keys;
  const float* const* pages_of_values;
  const std::int32_t* shared_slots;
  const std::int32_t* shared_lengths;
  const std::int32_t* tail_slots;
  const float* bias;
  float* out;

  std::int64_t key_head, first_row, last_row;
  // [rows * query_heads / key_heads, stride]: products, scores, then weights of each query.
  float* scores;
  std::int64_t stride;  // shared + tail, rounded up to kScoreStep, and kScoreStep more
};

inline constexpr std::int64_t kScoreStep = 16;

using RunPagedRows = void (*)(const PagedRows& rows);

void paged_rows_avx512(const PagedRows& rows);
void paged_rows_avx2(const PagedRows& rows);
void paged_rows_portable(const PagedRows& rows);

}  // namespace instructblip::kernels::cpu
