// Attention of new positions over keys and values in pages on a CUDA device: the contract of
// paged_attention.cu, which kernels/paged_attention.h explains. It serves several requests at once.
// A cross-attention is the same without tails.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/attention.h"

namespace instructblip::kernels::cuda {

// Lengths are on the device, so that one captured launch serves steps of many lengths; those here
// are the largest it will meet.
struct PagedAttentionProblem {
  Element element = Element::f16;
  std::int32_t requests = 0;
  std::int32_t rows = 0;         // hypotheses of each request
  std::int32_t query_heads = 0;  // a multiple of key_heads
  std::int32_t key_heads = 0;
  std::int32_t width = 0;  // one head: a multiple of 8, at most 128
  std::int32_t max_shared = 0, max_tail = 0;
  std::int32_t page_positions = 1;
  float divisor = 1.0f;
  std::int32_t max_distance = 0;  // from which on all distances share a bias
};

// R = requests * rows. Pages, and rows of queries, are aligned to 16 bytes.
struct PagedAttentionBuffers {
  const void* queries;                 // [R, query_heads, width]
  const void* const* pages_of_keys;    // page -> [key_heads, page_positions, width]
  const void* const* pages_of_values;  // the same
  const std::int32_t* lengths;       // [requests, 2]: how many positions are shared, and of its own
  const std::int32_t* shared_slots;  // [requests, max_shared]
  const std::int32_t* shared_lengths;  // [R], how many of the shared a row sees; null: all
  const std::int32_t* tail_slots;      // [R, max_tail]
  // [query_heads, 2 * max_distance + 1] at key - query = -max_distance, ...; a row stands at the
  // last position that it sees; or null.
  const float* bias;
  void* out;           // [R, query_heads, width]
  float* workspace;    // paged_attention_workspace() floats; nothing is kept in it
  unsigned* counters;  // [requests, key_heads], zeros before and after
};

std::size_t paged_attention_workspace(const PagedAttentionProblem& problem);

// Why the kernel does not take such sizes; null: it does.
const char* paged_attention_refuses(const PagedAttentionProblem& problem);

// As attend().
[[nodiscard]] int attend_pages(const PagedAttentionProblem& problem,
                               const PagedAttentionBuffers& buffers, void* stream,
                               bool overlaps_previous);

}  // namespace instructblip::kernels::cuda
