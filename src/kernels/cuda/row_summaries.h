// What a search reads of logits on a CUDA device, see RowSummary in decoding/logits.h: the contract
// of row_summaries.cu.
#pragma once

#include <cstddef>
#include <cstdint>

namespace instructblip::kernels::cuda {

struct RowSummaryProblem {
  std::int32_t rows = 0;
  std::int32_t vocabulary = 0;  // at least 1
  std::int32_t top = 0;         // how many of the best are wanted; at most 64
};

struct RowSummaryBuffers {
  const float* logits;  // [rows, vocabulary]
  // Tokens of each row that are not among the best: those of row r are named_tokens[i] for i from
  // named_offsets[r] up to named_offsets[r + 1], each once. Null: none.
  const std::int32_t* named_offsets;  // [rows + 1]
  const std::int32_t* named_tokens;
  float* named_logits;       // as many; or null
  float* max;                // [rows], the largest logit
  float* log_sum;            // [rows], log of the sum of exp(logit - max)
  std::int32_t* not_finite;  // [rows], the first token whose logit is not, or -1; else nothing of
                             // the row counts
  float* best_logits;        // [rows, top], the largest first, of equal ones the lowest token first
  std::int32_t* best_tokens;  // [rows, top]; -1 where no more are left
  std::uint32_t* workspace;   // row_summary_workspace() words; nothing is kept in it
  unsigned* counters;         // [rows], zeros before and after
};

std::size_t row_summary_workspace(const RowSummaryProblem& problem);

// Why the kernel does not take such sizes; null: it does.
const char* row_summaries_refuse(const RowSummaryProblem& problem);

// As attend().
[[nodiscard]] int summarize_rows(const RowSummaryProblem& problem, const RowSummaryBuffers& buffers,
                                 void* stream, bool overlaps_previous);

}  // namespace instructblip::kernels::cuda
