// Candidate answers and how likely they are.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "instructblip/ranking.h"
#include "pipeline/job.h"
#include "pipeline/model_parts.h"

namespace instructblip {

// One call of Pipeline::rank(). Candidates are scored in groups, a job each; those with the same
// beginning come together, since within a group it is read once.
class Ranking {
 public:
  // Refuses what can be refused before any stage has run; where there are several groups, the
  // pictures are encoded here, once for all. `model` must outlive it. Errors: as Pipeline::rank().
  Ranking(const ModelParts& model, Request request, std::span<const std::string> candidates,
          const RankOptions& options);

  // The job of the next group; null where all have been handed out.
  std::shared_ptr<Job> next(const Control& control);
  // What became of the job that was handed out last.
  void add(Generation generation);
  // Most likely first, once all have been added.
  std::vector<RankedCandidate> result();

 private:
  const ModelParts& model_;
  Request request_;
  RankBy by_;
  std::vector<CandidateTokens> tokens_;  // each candidate's; given away with its group
  std::vector<std::size_t> order_;       // in which candidates are scored
  std::size_t next_ = 0;                 // in order_: the first that is not in a job
  std::vector<RankedCandidate> ranked_;
};

}  // namespace instructblip
