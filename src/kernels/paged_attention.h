// Attention of new positions over keys and values that lie in pages: the contract, and the table of
// its kernels. Several hypotheses of one request share the pages of what they have in common.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "kernels/queue.h"
#include "kernels/registry.h"

namespace instructblip::kernels {

// R rows, each of which attends to P positions that all of them share, or the first few of those,
// then to T of its own.
//
//   scores = (q k^T) / divisor + bias, each step rounded to float32
//   out = softmax(scores) v
//
// for each row and query head. Query head h uses the key head h / (query_heads / key_heads).
struct PagedAttentionProblem {
  std::int64_t rows = 0;         // R
  std::int64_t query_heads = 0;  // a multiple of key_heads
  std::int64_t key_heads = 0;
  std::int64_t width = 0;   // width of a head
  std::int64_t shared = 0;  // P
  std::int64_t tail = 0;    // T; a row sees at least one position
  std::int64_t page_positions = 1;
  float divisor = 1.0f;  // sqrt(width), or 1 in T5
};

// A slot is page * page_positions + place in the page. Pages are read where they lie.
struct PagedAttentionBuffers {
  const float* queries;                 // [R, query_heads, width]
  const float* const* pages_of_keys;    // page -> [key_heads, page_positions, width]
  const float* const* pages_of_values;  // the same
  const std::int32_t* shared_slots;     // [P], in order of positions
  const std::int32_t* shared_lengths;   // [R], how many of P row r sees; null: all. Positions of
                                        // one sequence that are new at once see one more each.
  const std::int32_t* tail_slots;       // [R, T]
  const float* bias;                    // [query_heads, P + T], or null
  float* out;                           // [R, query_heads, width]
};

struct PagedAttentionKernel {
  static constexpr std::string_view kOperation = "paged_attention";

  std::string_view name;
  // row_invariant: nor do the bits depend on which positions are shared, nor on where they lie.
  Traits traits;
  Support (*supports)(const PagedAttentionProblem&, const Machine&);
  void (*run)(const PagedAttentionProblem&, const PagedAttentionBuffers&, Queue&);
};

// Best first, "reference" last.
std::span<const PagedAttentionKernel> paged_attention_kernels();

}  // namespace instructblip::kernels
