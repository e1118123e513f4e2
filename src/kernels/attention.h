// Attention of rows that follow one another, to themselves or to others, all of them at hand: the
// contract, and the table of its kernels. What lies in pages is kernels/paged_attention.h's.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "kernels/queue.h"
#include "kernels/registry.h"

namespace instructblip::kernels {

// `batch` sequences of n queries, each of which attends to m keys:
//
//   scores = (q k^T) / divisor + bias, each step rounded to float32; the division may be a product
//            with the rounded 1 / divisor
//   out = softmax(scores) v
//
// for each row and query head; values are finite. Query head h uses the key head h / (query_heads /
// key_heads).
struct AttentionProblem {
  std::int64_t batch = 1;
  std::int64_t queries = 0;      // n
  std::int64_t keys = 0;         // m, one at least; where causal, n at least
  std::int64_t query_heads = 0;  // a multiple of key_heads
  std::int64_t key_heads = 0;
  std::int64_t width = 0;  // width of a head
  float divisor = 1.0f;    // sqrt(width), or 1 in T5
  bool causal = false;     // query i sees the keys 0 .. m - n + i, else all
};

// Rows of one head after the other, [heads, width] each.
struct HeadRows {
  const float* at;
  std::int64_t row_stride;    // numbers from a row to the next
  std::int64_t batch_stride;  // from a sequence to the next
};

struct AttentionBuffers {
  HeadRows queries;   // [batch, n, query_heads, width]
  HeadRows keys;      // [batch, m, key_heads, width]
  HeadRows values;    // the same
  const float* bias;  // [query_heads, n + m - 1], of i and j at j - i + n - 1; or null
  float* out;         // [batch, n, query_heads * width], contiguous
};

struct AttentionKernel {
  static constexpr std::string_view kOperation = "attention";

  std::string_view name;
  Traits traits;
  Support (*supports)(const AttentionProblem&, const Machine&);
  void (*run)(const AttentionProblem&, const AttentionBuffers&, Queue&);
};

// Best first, "reference" last.
std::span<const AttentionKernel> attention_kernels();

}  // namespace instructblip::kernels
