// The way of requests through the stages, from pictures to logits.
#pragma once

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

  // From pictures to the logits of the first new token: all stages, one under the other.
  void read_prompts(const Jobs& jobs);
  // One more token for jobs whose prompts have been read; not for all of them where a device has
  // begun the pass ahead, for some.
  void step(const Jobs& jobs);

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

  const ModelParts& model_;
  std::unique_ptr<PassAhead> ahead_;
};

}  // namespace instructblip
