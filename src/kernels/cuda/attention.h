// Attention of whole sequences on a CUDA device: the contract of attention.cu.
#pragma once

#include <cstdint>

namespace instructblip::kernels::cuda {

enum class Element { f16, bf16 };  // what is in memory; sums are float32

// Packed sequences, each of which attends to its own keys:
//
//   scores = (q k^T) / divisor + bias, out = softmax(scores) v
//
// for each sequence and query head. Query head h uses the key head h / (query_heads / key_heads).
// Query i of n stands at position i + m - n among the m keys of its sequence.
struct AttentionProblem {
  Element element = Element::f16;
  std::int32_t sequences = 0;
  std::int32_t max_queries = 0;  // the longest sequence; the lengths themselves are on the device
  std::int32_t query_heads = 0;  // a multiple of key_heads
  std::int32_t key_heads = 0;
  std::int32_t width = 0;         // one head: a multiple of 8, at most 128
  float divisor = 1.0f;           // sqrt(width), or 1 in T5
  bool causal = false;            // a query does not see what stands behind it
  std::int32_t max_distance = 0;  // from which on all distances share a bias
  std::int32_t processors = 132;  // multiprocessors of the device: how large parts are
};

// Rows are as many elements apart as their pitch says, a multiple of 8; heads lie side by side. So
// queries, keys and values may be parts of one product. All are aligned to 16 bytes.
struct AttentionBuffers {
  const void* queries;  // [N, query_heads, width]
  const void* keys;     // [M, key_heads, width]
  const void* values;
  std::int64_t query_pitch, key_pitch, value_pitch, out_pitch;
  const std::int32_t* query_offsets;  // [sequences + 1], rows where sequences begin
  const std::int32_t* key_offsets;    // the same
  // [query_heads, 2 * max_distance + 1]: the bias at key - query = -max_distance, ..., beyond which
  // it stays the same; or null. T5's buckets, looked up once.
  const float* bias;
  void* out;  // [N, query_heads, width]
};

// Why the kernel does not take such sizes; null: it does.
const char* attention_refuses(const AttentionProblem& problem, const AttentionBuffers& buffers);

// Puts the launch into the stream, a cudaStream_t. `overlaps_previous`: see dev::LaunchConfig.
// Returns 0, or the cudaError_t. A row has the same bits whatever is computed beside it, on any
// number of multiprocessors.
[[nodiscard]] int attend(const AttentionProblem& problem, const AttentionBuffers& buffers,
                         void* stream, bool overlaps_previous);

}  // namespace instructblip::kernels::cuda
