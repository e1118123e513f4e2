// The logits of one pass of a model, handed out to the searches that wait for them.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "decoding/logits.h"
#include "nn/row_summaries.h"
#include "nn/runtime.h"

namespace instructblip {

// A step that the pass has taken, and of whose rows it made logits.
struct StepTaken {
  const Step* step;
  bool shown = false;  // whole rows are looked at by others than the search, too
};

struct LogitsOfStep {
  std::unique_ptr<Logits> logits;
  at::Tensor rows;  // [R, N] float32 in the host's memory; undefined where they did not come down
};

// The rows of a step among those that a device has summarised.
struct SummarizedRows {
  std::shared_ptr<const nn::RowSummaries> all;
  std::size_t first_row, first_named, top;  // `top` of each row of all
};
// `rows` [R, N]: where they may be read, a copy that nobody overwrites.
std::unique_ptr<Logits> summarized_logits(nn::Runtime& runtime, SummarizedRows summarized,
                                          at::Tensor rows);

// The logits of each step, of `logits` [R of all, N], its rows one after the other. They stay valid
// whatever the runtime does next.
//
// On a device with a kernel for it, rows of half precision are summarised there, and what comes to
// the host is a few numbers of each. Whole rows come down with the summaries for steps that read
// them, and later for those in which equal scores decide. So do those of float32 always: there the
// normalisers of beams, whose scores are compared to the last bit, must be those of the host's
// log_normalizer().
//
// On the runtime's thread; Logits::row() anywhere else.
std::vector<LogitsOfStep> logits_of_steps(nn::Runtime& runtime, const at::Tensor& logits,
                                          std::span<const StepTaken> steps);

}  // namespace instructblip
