/// How likely given answers are, for multiple choice and classification.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace instructblip {

/// What candidates are ranked by: a sum favours short ones, a mean long ones.
enum class RankBy {
  sum,   ///< the log probability of the whole candidate; InstructBLIP's papers and LAVIS
  mean,  ///< the same for each token
};

/// How candidates are scored.
struct RankOptions {
  RankBy by = RankBy::sum;
  /// Whether the end token is a part of the answer: how likely the candidate is as all of it, and
  /// not as its beginning. Default: true; false for LLaMA with Compat::lavis, which leaves it out
  /// there.
  std::optional<bool> end_token = {};
};

/// A candidate and how likely it is as the answer.
struct RankedCandidate {
  std::size_t index = 0;             ///< position of the candidate in the list that was given
  double score = 0;                  ///< what it is ranked by
  double probability = 0;            ///< softmax of the scores of all candidates
  std::vector<std::int32_t> tokens;  ///< the end token included where it counts
  std::vector<float> logprobs;       ///< log-softmax of the raw logits, one per token
};

}  // namespace instructblip
