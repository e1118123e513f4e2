// What the first layer of a decoder reads, gathered on a CUDA device by ids that are there: the
// contract of embedding.cu.
#pragma once

#include <cstdint>

#include "kernels/cuda/attention.h"

namespace instructblip::kernels::cuda {

struct EmbeddingProblem {
  Element element = Element::f16;
  std::int32_t rows = 0;
  std::int32_t width = 0;            // a row: a multiple of 8
  std::int32_t position_offset = 0;  // added to positions before they are looked up: 2 in OPT
  std::int32_t half_head = 0;        // angles of a position, half as many as a head is wide
};

// All contiguous; rows of the element type are aligned to 16 bytes.
struct EmbeddingBuffers {
  const void* words;                         // [vocabulary, width]
  const std::int32_t* ids;                   // [rows], below the vocabulary
  void* y;                                   // [rows, width]
  const std::int32_t* positions = nullptr;   // [rows]; null where neither of the tables is
  const void* position_words = nullptr;      // [positions + offset, width], added; or null
  const void* features = nullptr;            // rows that stand in the place of words; or null
  const std::int32_t* feature_of = nullptr;  // [rows], the row of `features`, or -1
  // [positions, half_head], of which each row's go to where kv_append.cu reads them; or null.
  const float *cosines = nullptr, *sines = nullptr;
  float *cosines_of_rows = nullptr, *sines_of_rows = nullptr;  // [rows, half_head]
};

// Why the kernel does not take such sizes; null: it does.
const char* embedding_refuses(const EmbeddingProblem& problem, const EmbeddingBuffers& buffers);

// As attend(). Sums are rounded once.
[[nodiscard]] int embed(const EmbeddingProblem& problem, const EmbeddingBuffers& buffers,
                        void* stream, bool overlaps_previous);

}  // namespace instructblip::kernels::cuda
