// New keys and values into the slots of their pages, see paged_attention.h: the contract, and the
// table of its kernels.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "kernels/queue.h"
#include "kernels/registry.h"

namespace instructblip::kernels {

struct KvAppendProblem {
  std::int64_t positions = 0;  // n
  std::int64_t key_heads = 0;
  std::int64_t width = 0;  // width of a head
  std::int64_t page_positions = 1;
};

// No two positions have one slot.
struct KvAppendBuffers {
  const float* keys;              // [n, key_heads, width]
  const float* values;            // the same
  const std::int32_t* slots;      // [n], page * page_positions + place in the page
  float* const* pages_of_keys;    // page -> [key_heads, page_positions, width]
  float* const* pages_of_values;  // the same
};

struct KvAppendKernel {
  static constexpr std::string_view kOperation = "kv_append";

  std::string_view name;
  Traits traits;
  Support (*supports)(const KvAppendProblem&, const Machine&);
  void (*run)(const KvAppendProblem&, const KvAppendBuffers&, Queue&);
};

// Best first, "reference" last.
std::span<const KvAppendKernel> kv_append_kernels();

}  // namespace instructblip::kernels
