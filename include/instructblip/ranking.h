/// How likely given answers are, for multiple choice and classification.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
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
  /// Whether the end token is a part of the answer: the candidate is then scored as the whole
  /// answer, and not as the beginning of one. Default: true; false for LLaMA with Compat::lavis,
  /// which leaves it out there.
  std::optional<bool> end_token = {};
  /// Verbalizers: other spellings of each candidate, such as "true" of "yes". Empty, or a list for
  /// each candidate, in their order. A candidate's score is then the logarithm of the sum of the
  /// exponentials of its spellings' scores: with RankBy::sum and end tokens, how likely it is that
  /// any one of them is the answer.
  std::vector<std::vector<std::string>> spellings = {};
  /// Weight of the score that a candidate has without the picture, which is subtracted: 1 is
  /// pointwise mutual information of answer and picture, which removes what the language model
  /// would say in any case; 0, the default, ranks by likelihood. Without the picture the prompt is
  /// the instruction alone. >= 0 and finite.
  double without_picture = 0;
};

/// A candidate and how likely it is as the answer.
struct RankedCandidate {
  std::size_t index = 0;             ///< position of the candidate in the list that was given
  double score = 0;                  ///< what it is ranked by
  double probability = 0;            ///< softmax of the scores of all candidates
  std::vector<std::int32_t> tokens;  ///< its likeliest spelling, the end token included where it
                                     ///< counts
  std::vector<float> logprobs;       ///< log-softmax of the raw logits, one per token
  std::size_t spelling = 0;  ///< which spelling: 0 the candidate itself, n the n-th of its list
  double prior = 0;  ///< its score without the picture; 0 where RankOptions::without_picture is 0
};

}  // namespace instructblip
