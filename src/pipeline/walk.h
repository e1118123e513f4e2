// The way of requests through the stages, from pictures to logits.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "pipeline/job.h"
#include "pipeline/model_parts.h"
#include "pipeline/pass_ahead.h"

namespace instructblip {

// The prompt's embeddings [1, P, L]: words, and each picture's rows of `prefix` [1, R, L] where
// Prompt::places says.
at::Tensor embedded(const LanguageModel& language, const Prompt& prompt, const at::Tensor& prefix);

// Takes one job or several, which then share passes: their rows are packed, never padded, and each
// gets what it would get alone. A pass that throws is repeated with each job by itself, so that
// only those that fail again have failed (Job::error); such jobs are passed over from there on.
class Walk {
 public:
  using Jobs = std::vector<Job*>;

  // `model` must have weights, and outlive the walk.
  explicit Walk(const ModelParts& model) : model_(model) {}
  ~Walk() { forget(); }
  Walk(const Walk&) = delete;
  Walk& operator=(const Walk&) = delete;

  // From pictures to the logits of the first new token: all stages, one under the other.
  void read_prompts(const Jobs& jobs);
  // One more token for jobs whose prompts have been read. Where a device has begun the pass for
  // some of them already, the others wait for the next call. `joined`: others will be among the
  // jobs of that one, so that nothing is to be begun for it.
  void step(const Jobs& jobs, bool joined = false);
  // Drops a pass that was begun, when there are no jobs left.
  void forget() noexcept;

 private:
  // Runs on the runtime's thread. Where it throws, every job is either as it was or finished with
  // this stage, and is then passed over by it.
  using Stage = void (Walk::*)(const Jobs& live);
  void run(Stage stage, const Jobs& jobs);

  void encode(const Jobs& live);
  void query(const Jobs& live);
  void project(const Jobs& live);
  void embed(const Jobs& live);
  void prefill(const Jobs& live);
  void decode(const Jobs& live);
  // The pass that was launched ahead, for jobs whose steps it turned out to be.
  void land(PassAhead& pass, const Jobs& landed, bool all);
  // The pass behind this one, if it can be launched.
  void launch_behind(const PassAhead& pass, const Jobs& jobs);

  const ModelParts& model_;
  bool joined_ = false;               // as step() was told
  std::unique_ptr<PassAhead> ahead_;  // touched by the runtime's thread, on which it ends
  std::uint64_t launched_ahead_ = 0;
};

}  // namespace instructblip
