// What the files of one instruction set compute of an attention over pages. Known to them, so it
// includes nothing that brings functions with it.
#pragma once

#include <cstdint>

namespace instructblip::kernels::cpu {

// Where the keys, or the values, of positions begin in the pages of key head 0.
struct PagedPlaces {
  const float* const* shared;  // [shared]
  const float* const* tails;   // [rows, tail]
};

// The rows [first_row, last_row) of one key head, with all query heads that use it. Names as in
// kernels/paged_attention.h; positions that all tails begin with count as shared.
struct PagedRows {
  std::int64_t query_heads, key_heads, width, shared, tail;
  std::int64_t apart;  // numbers from a key head to the next in a page
  float divisor;
  const float* queries;
  PagedPlaces keys, values;
  const std::int32_t* shared_lengths;
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
