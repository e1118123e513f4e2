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

// One call of Pipeline::rank(): a job for all candidates, and a second one where they are scored
// without the picture as well.
class Ranking {
 public:
  // Refuses what can be refused before any stage has run. `model` must outlive it. Errors: as
  // Pipeline::rank().
  Ranking(const ModelParts& model, Request request, std::span<const std::string> candidates,
          const RankOptions& options);

  // The next job; null where all have been handed out.
  std::shared_ptr<Job> next(const Control& control);
  // What became of the job that was handed out last.
  void add(Generation generation);
  // Most likely first, once all have been added.
  std::vector<RankedCandidate> result();

 private:
  // A spelling of a candidate.
  struct Spelling {
    std::size_t candidate, number;  // number 0: the candidate itself
  };
  double score_of(const Sequence& spelling) const;
  std::vector<double> priors() const;

  const ModelParts& model_;
  Request request_;
  RankOptions options_;
  std::size_t count_;                          // candidates
  std::vector<Spelling> spellings_;            // those of a candidate one after the other
  std::vector<CandidateTokens> tokens_;        // each spelling's
  std::size_t jobs_ = 0;                       // handed out
  std::vector<std::vector<Sequence>> scored_;  // by job, by spelling
};

// The tokens of an answer each; what is wrong with one names it as `kind` with its number. Errors:
// invalid_argument.
std::vector<CandidateTokens> tokens_of(const ModelParts& model,
                                       std::span<const std::string> answers,
                                       std::optional<bool> end_token, const std::string& kind);

// The score of an answer by its log probabilities.
double score_by(RankBy by, double sum, std::size_t tokens);

}  // namespace instructblip
