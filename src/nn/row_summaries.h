// Logits in short, made on a device: what a search reads of them is a few numbers of each row.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "nn/runtime.h"

namespace instructblip::nn {

// R rows | N logits of each | K of the best of each

struct AskedOfRows {
  std::int64_t top = 0;  // K
  // Tokens whose logits are wanted by name, and which are not among the best: those of row r are
  // tokens[offsets[r]] up to tokens[offsets[r + 1]], each once. No offsets: none.
  std::vector<std::int32_t> offsets, tokens;
};

// What decoding/logits.h calls a RowSummary, of each row.
struct RowSummaries {
  std::vector<float> max, log_sum;        // [R]
  std::vector<std::int32_t> not_finite;   // [R], the first token whose logit is not, or -1
  std::vector<float> not_finite_logit;    // [R], what it is
  std::vector<float> best_logits;         // [R, K], the largest first
  std::vector<std::int32_t> best_tokens;  // [R, K]; -1 where no more are left
  std::vector<float> named;               // logits of AskedOfRows::tokens
};

// The summaries of logits [R, N] float32 on the runtime's device, for which it waits: they come to
// the host with one copy. Nothing where the device has no kernel that takes these sizes.
std::optional<RowSummaries> summarized_on_device(const Runtime& runtime, const at::Tensor& logits,
                                                 const AskedOfRows& asked);

}  // namespace instructblip::nn
