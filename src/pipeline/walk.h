// The way of requests through the stages, from pictures to logits.
#pragma once

#include <vector>

#include "pipeline/job.h"
#include "pipeline/model_parts.h"

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
  void read_prompts(const Jobs& jobs) const;
  // One more token for jobs whose prompts have been read.
  void step(const Jobs& jobs) const;

 private:
  // Runs on the runtime's thread. Where it throws, every job is either as it was or finished with
  // this stage, and is then passed over by it.
  using Stage = void (Walk::*)(const Jobs& live) const;
  void run(Stage stage, const Jobs& jobs) const;

  void encode(const Jobs& live) const;
  void query(const Jobs& live) const;
  void project(const Jobs& live) const;
  void embed(const Jobs& live) const;
  void prefill(const Jobs& live) const;
  void decode(const Jobs& live) const;

  const ModelParts& model_;
};

}  // namespace instructblip
