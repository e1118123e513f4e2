// Passes that a device begins before the host has chosen their tokens: it chooses the rows itself,
// from the summaries of the pass before, and the searches say afterwards whether these are what
// they ask for. So the device works while the host ranks, writes down and tells.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "language/language_model.h"
#include "nn/next_rows.h"
#include "nn/row_summaries.h"
#include "nn/runtime.h"
#include "pipeline/job.h"

namespace instructblip {

// A pass whose results are on their way to the host, and with them the rows that the device has
// chosen for the next one. On the runtime's thread.
class PassAhead {
 public:
  using Jobs = std::vector<Job*>;

  // The pass that has just been launched for the steps of `jobs`, and made `logits`. Null where no
  // other one can be launched behind it: where the device has not recorded it, or somebody's next
  // rows follow from more than the summaries.
  static std::unique_ptr<PassAhead> of(nn::Runtime& runtime, const StepLogits& logits,
                                       const Jobs& jobs);

  // Launches the next pass for all jobs of this one, which know it by `number` then. Null where it
  // would not fit into the tables or the model's longest text, or another step has been put into
  // the tables since.
  std::unique_ptr<PassAhead> launch_next(const Jobs& jobs, std::uint64_t number) const;

  // The jobs whose steps are what this pass has been launched for. The pass before must have been
  // handed out.
  Jobs asked_for_by(const Jobs& jobs) const;
  // Whether they are all of its jobs, and ask for what a pass behind it can be launched with.
  bool goes_on_for(const Jobs& jobs) const;

  // Waits, and gives each of these jobs the logits of its step.
  void hand_out(const Jobs& jobs);

 private:
  // What all jobs ask of a pass.
  struct Asked {
    nn::NextRowsRule rule;
    std::vector<std::int32_t> named;  // tokens that are banned in all rows
    bool rows_of_equals;
  };
  static std::optional<Asked> asked_by(const Jobs& jobs);
  // Whether the step asks the same of its rows, whatever follows.
  bool summarises(const Job& job) const;

  PassAhead(nn::Runtime& runtime, std::shared_ptr<const nn::RecordedTables> recorded, Asked asked)
      : runtime_(&runtime),
        recorded_(std::move(recorded)),
        asked_(std::move(asked)),
        use_(recorded_->last_use) {}
  // Hands the summaries over, and the choice of rows behind them.
  bool summarize(const at::Tensor& logits, const nn::KnownOfRows& known);
  bool fits(const Jobs& jobs) const;
  at::Tensor rows_of(const Jobs& jobs) const;

  nn::Runtime* runtime_;
  std::shared_ptr<const nn::RecordedTables> recorded_;
  Asked asked_;
  std::uint64_t use_;                              // the use of the key that launched it
  std::uint64_t number_ = 0;                       // that its jobs know, if it was launched ahead
  std::shared_ptr<nn::SummariesUnderway> before_;  // with the rows that it was launched for
  at::Tensor logits_;  // [R, N], a copy: the key's next use puts others where they were
  std::shared_ptr<nn::SummariesUnderway> summaries_;
};

}  // namespace instructblip
