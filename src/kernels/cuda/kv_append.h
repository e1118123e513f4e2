// New keys and values into the slots of their pages on a CUDA device, turned by their positions on
// the way, with the queries: the contract of kv_append.cu. See kernels/kv_append.h.
#pragma once

#include <cstdint>

#include "kernels/cuda/attention.h"

namespace instructblip::kernels::cuda {

struct KvAppendProblem {
  Element element = Element::f16;
  std::int32_t positions = 0;  // n
  std::int32_t query_heads = 0;
  std::int32_t key_heads = 0;
  std::int32_t width = 0;  // one head: a multiple of 8; of 16 where they are turned
  std::int32_t page_positions = 1;
};

// No two positions have one slot. All rows are aligned to 16 bytes.
struct KvAppendBuffers {
  const void* heads;     // [n, query_heads + 2 * key_heads, width]: queries, keys, values
  const float* cosines;  // [n, width / 2]; null: nothing is turned, queries stay where they are
  const float* sines;    // the same
  const std::int32_t* slots;     // [n], page * page_positions + place in the page
  void* const* pages_of_keys;    // page -> [key_heads, page_positions, width]
  void* const* pages_of_values;  // the same
  void* queries;                 // [n, query_heads, width], turned
  void* keys = nullptr;          // [n, key_heads, width], turned, beside those in pages; or null
};

// Why the kernel does not take such sizes; null: it does.
const char* kv_append_refuses(const KvAppendProblem& problem, bool turned);

// As attend().
[[nodiscard]] int append_keys_and_values(const KvAppendProblem& problem,
                                         const KvAppendBuffers& buffers, void* stream,
                                         bool overlaps_previous);

}  // namespace instructblip::kernels::cuda
